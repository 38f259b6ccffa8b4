"""The flow has one direction, and what is heavy or talkative stays in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

# A module imports only from lines above its own, and from its own package.
FLOW = (
    "reprun",
    "reprun.errors",
    "reprun.wording",
    "reprun.digests",
    "reprun.progress",
    "reprun.store",
    "reprun.keeping",
    "reprun.project",
    "reprun.faults",
    "reprun.documents",
    "reprun.manifest",
    "reprun.spec",
    "reprun.images",
    "reprun.data",
    "reprun.conditions",
    "reprun.lock",
    "reprun.record",
    "reprun.plan",
    "reprun.engines",
    "reprun.backends",
    "reprun.cell",
    "reprun.planning",
    "reprun.snakefiles",
    "reprun.lint",
    "reprun.workspace",
    "reprun.histograms",
    "reprun.reference",
    "reprun.compare",
    "reprun.drift",
    "reprun.report",
    "reprun.schemas",
    "reprun.judge",
    "reprun.run",
    "reprun.reana",
    "reprun.reana_project",
    "reprun.matrix",
    "reprun.blessing",
    "reprun.author",
    "reprun.citing",
    "reprun.console",
    "reprun.screens",
    "reprun.screens_author",
    "reprun.cli_options",
    "reprun.cli_images_output",
    "reprun.cli_exchange",
    "reprun.cli_images",
    "reprun.cli_data",
    "reprun.cli_conditions",
    "reprun.cli_reana_project",
    "reprun.cli_author",
    "reprun.cli_reana",
    "reprun.cli",
    "reprun.__main__",
    "snakemake_executor_plugin_reprun",
)

# The plugin is a leaf inside Snakemake; only the command line prints and exits.
TALKING = {
    "reprun.console",
    "reprun.screens",
    "reprun.cli_images",
    "reprun.cli_data",
    "reprun.cli_conditions",
    "reprun.cli_author",
    "reprun.cli_reana",
    "reprun.cli_reana_project",
    "reprun.cli",
    "reprun.__main__",
    # A program of its own, in another environment.
    "reprun.reana.driver",
}
ONLY_IN = {
    "uproot": "reprun.histograms.",
    "docker": "reprun.engines.docker",
    "snakemake": "snakemake_executor_plugin_reprun",
    "typer": "reprun.cli",
    "reana_client": "reprun.reana.driver",
    "reana_commons": "reprun.reana",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def line_of(module: str) -> str:
    """Return the line of FLOW a module belongs to: its own, or its package's."""
    if module in FLOW:
        return module
    return next(line for line in FLOW[::-1] if line != "reprun" and module.startswith(f"{line}."))


TREES = {module_of(path): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out what is there for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if not is_type_checking(node):
            yield node
            yield from nodes(node)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a tree imports, also inside functions."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in TREES else node.module for name in inner)


def backward(module: str, tree: ast.AST) -> list[str]:
    """Return the imports of a module that go against the flow."""
    here = line_of(module)
    return [
        name
        for name in imports(tree)
        if name.split(".")[0] in {"reprun", "snakemake_executor_plugin_reprun"}
        and line_of(name) != here
        and FLOW.index(line_of(name)) > FLOW.index(here)
    ]


def outsiders(module: str, tree: ast.AST) -> list[str]:
    """Return the imports of libraries that have their place elsewhere."""
    return [
        name
        for name in imports(tree)
        for library, place in ONLY_IN.items()
        if (name == library or name.startswith((f"{library}.", f"{library}_interface")))
        and not module.startswith(place)
    ]


def talk(tree: ast.AST) -> list[int]:
    """Return the lines where a module prints or exits."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {
            *("print", "exit", "quit", "sys.exit", "os._exit", "input"),
            *("traceback.print_exc", "sys.stdout.write", "sys.stderr.write"),
        }:
            lines.append(node.lineno)
        if isinstance(node, ast.Name) and node.id == "SystemExit":
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("module", TREES)
def test_imports_follow_the_flow(module: str) -> None:
    assert backward(module, TREES[module]) == []


@pytest.mark.parametrize("module", TREES)
def test_libraries_are_used_in_their_place_alone(module: str) -> None:
    assert outsiders(module, TREES[module]) == []


@pytest.mark.parametrize("module", sorted(TREES.keys() - TALKING))
def test_nothing_below_the_command_line_prints_or_exits(module: str) -> None:
    assert talk(TREES[module]) == []


def test_the_flow_names_every_module_once() -> None:
    assert len(set(FLOW)) == len(FLOW)
    assert {line_of(module) for module in TREES} == set(FLOW)


def test_the_rules_can_be_broken() -> None:
    wrong = ast.parse(
        "from reprun.run import run\nimport docker.errors\nimport uproot\n"
        "def f():\n    import snakemake.api\n    print(1)\n    raise SystemExit\n"
    )
    assert backward("reprun.store", wrong) == ["reprun.run"]
    assert outsiders("reprun.store", wrong) == ["docker.errors", "uproot", "snakemake.api"]
    assert talk(wrong) == [6, 7]
    inner = ast.parse("from reprun.engines import docker\nfrom reprun import data\n")
    assert backward("reprun.images.layout", inner) == ["reprun.engines.docker", "reprun.data"]

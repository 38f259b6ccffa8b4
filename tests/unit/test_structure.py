"""The flow has one direction, and what is heavy or talkative stays in its place."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"

# The folders are the flow: a module imports only from lines above its own, and from its own folder.
# The root of the package holds five small modules that anything may use, and no other.
ROOT = ("errors", "wording", "files", "digests", "progress")
FOLDERS = (
    "bounded",
    "histograms",
    "store",
    "documents",
    "compare",
    "data",
    "images",
    "conditions",
    "report",
    "engines",
    "workflow",
    "history",
    "runs",
    "blame",
    "flaky",
    "testing",
    "authoring",
    "reana",
    "cli",
)
FLOW = (
    "reprun",
    *(f"reprun.{name}" for name in (*ROOT, *FOLDERS)),
    "reprun.__main__",
    "snakemake_executor_plugin_reprun",
)

# The plugin is a leaf inside Snakemake; only the command line prints and exits.
TALKING = (
    "reprun.cli.",
    "reprun.__main__",
    # A program of its own, in another environment.
    "reprun.reana.remote.driver",
)
ONLY_IN: Mapping[str, str | tuple[str, ...]] = {
    "uproot": "reprun.histograms.",
    "docker": ("reprun.engines.docker", "reprun.images.oci.logins"),
    "snakemake": "snakemake_executor_plugin_reprun",
    "gherkin": "reprun.reana.local.gherkin",
    "typer": "reprun.cli.",
    "pytest": "reprun.testing.plugin",
    "matplotlib": "reprun.report.figures",
    "h5py": "reprun.histograms.",
    "pyarrow": "reprun.histograms.parquet.",
    "reana_client": "reprun.reana.remote.driver",
    "reana_commons": "reprun.reana",
}

# Where a process of ours starts: what is found once is found there.
DOORSTEPS = ("reprun.cli.", "snakemake_executor_plugin_reprun")
# Modules that read a variable of their own, or pass the environment on to a program.
ENVIRONMENT = {
    "reprun.authoring.ignored",
    "reprun.__main__",
    "reprun.cli.output",
    "reprun.cli.verbose",
    "reprun.data.mirrors",
    "reprun.data.portal",
    "reprun.data.sources",
    "reprun.engines.docker",
    "reprun.images.builder.fetch",
    "reprun.images.oci.registry",
    "reprun.documents.project",
    "reprun.reana.local.acceptance",
    "reprun.reana.remote.access",
    "reprun.reana.remote.client",
    "reprun.reana.remote.driver",
    "reprun.reana.remote.server",
    "reprun.store.store",
}

# Programs that run under an interpreter of their own.
APART = ("reprun.reana.remote.driver", "reprun.reana.local.bridge")


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


@cache
def called(tree: ast.AST) -> tuple[tuple[str, ast.Call], ...]:
    """Return every call of a tree with what it calls, as it is written."""
    return tuple(
        (ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)
    )


@cache
def imports(tree: ast.AST) -> tuple[str, ...]:
    """Return every module that a tree imports, also inside functions."""
    return tuple(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[str]:
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
    ends = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "SystemExit"
    ]
    names = {"print", "exit", "quit", "sys.exit", "os._exit", "input", "traceback.print_exc"}
    return sorted(calls(tree, names | {"sys.stdout.write", "sys.stderr.write"}) + ends)


# Standard output has one door, standard error another.
DOORS = ("reprun.cli.output", "reprun.cli.console")


def prints(tree: ast.AST) -> list[int]:
    """Return the lines where a module prints, in whichever way."""
    doors = {"print", "typer.echo", "typer.secho", "Console"}
    return calls(tree, doors | {"sys.stdout.write", "sys.stderr.write"})


def unannounced(tree: ast.AST) -> list[int]:
    """Return the lines that start a process which `--verbose` would not show."""
    starts = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call")}
    starts |= {"subprocess.check_output", "os.system", "os.execv", "os.execve"}
    return [
        node.lineno
        for name, node in called(tree)
        if name in starts
        and not (
            node.args
            and isinstance(node.args[0], ast.Call)
            and ast.unparse(node.args[0].func) == "announced"
        )
    ]


# What steps wrote is reached through `workflow/beneath.py`. Of those that name a path there
# themselves, none opens it.
NAMES_PATHS = {
    "reprun.reana.local.bridge": "a program of another environment: files it is given by name",
    "reprun.reana.local.evidence": "looks at the names and sizes of what is there",
    "reprun.reana.local.staging": "makes the workspace, before any step",
    "reprun.runs.planning": "a mount that is shown",
}


# What may be of any size is read through `bounded/`. These read files of the kernel, of reprun's
# own, or such as the user names.
READS_WHOLE = {
    "reprun.documents.record": "/proc/cpuinfo",
    "reprun.engines.cgroups": "files of the kernel",
    "reprun.engines.containers": "what runc writes of a container",
    "reprun.engines.notes": "a note of our own in the store",
    "reprun.files": "files of the kernel",
    "reprun.history.database": "a file of the package, and one of the kernel",
    "reprun.images.builder.fetch": "/etc/os-release",
    "reprun.images.doctor": "files of the kernel",
    "reprun.images.lock": "an image.toml that was read within its limits",
    "reprun.images.oci.layout": "a document of an image that was read within its limits",
    "reprun.images.oci.logins": "the user's logins",
    "reprun.images.rootfs.sealed": "what was written of an unpacked image in the store",
    "reprun.images.sign": "a key that the user names, and documents of an image",
    "reprun.images.table": "a document of the user's that is rewritten",
    "reprun.images.transfer": "a document of an image that was read within its limits",
    "reprun.reana.local.acceptance": "the answer of a program in the sandbox",
    "reprun.reana.local.bridge": "a program of another environment",
    "reprun.reana.local.workflows": "Snakemake's log, which is cut when it is written",
    "reprun.reana.remote.client": "the answers of a program of our own",
    "reprun.reana.remote.environment": "a file of the package",
    "reprun.report.page": "a file of the package",
    "reprun.report.pictures": "a file of a size that was looked at",
    "reprun.runs.mixing": "files of a reference that were read within their limits",
    "reprun.runs.question": "what the supervisor wrote, read in the sandbox",
    "reprun.store.collection": "notes of our own in the store",
    "reprun.testing.references": "results of the user's tests",
    "reprun.workflow.complaint": "Snakemake's log, which is cut when it is written",
}


def whole_reads(tree: ast.AST) -> list[int]:
    """Return the lines that read something to its end, however far that is."""
    return sorted(
        node.lineno
        for name, node in called(tree)
        if name == "json.load"
        or (name.endswith((".read_text", ".read_bytes")) and not name.startswith("self."))
        or (
            name.endswith((".read", ".readline", ".readlines", ".json"))
            and not node.args
            and not node.keywords
        )
    )


def into_workspaces(tree: ast.AST) -> list[int]:
    """Return the lines that name a path below a workspace, or look what lies there."""
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and _is_workspace(node.left)
        )
        or (
            isinstance(node, ast.Attribute)
            and node.attr in {"glob", "rglob", "iterdir", "walk", "joinpath"}
            and _is_workspace(node.value)
        )
    )


def _is_workspace(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):  # Path(self._run["workspace"])
        return any(map(_is_workspace, node.args))
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "workspace"
    return getattr(node, "attr", getattr(node, "id", "")) == "workspace"


def is_package(module: str) -> bool:
    return (SOURCE / Path(*module.split(".")) / "__init__.py").is_file()


def circle(folder: str, trees: Mapping[str, ast.AST]) -> list[str] | None:
    """Return rooms of a folder that import each other in a circle, None if there are none.

    A room is a module of the folder, or a folder in it with everything below.
    """
    depth = folder.count(".") + 2
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        if module.startswith(f"{folder}."):
            here = ".".join(module.split(".")[:depth])
            there = {
                ".".join(name.split(".")[:depth])
                for name in imports(tree)
                if name.startswith(f"{folder}.")
            }
            graph.setdefault(here, set()).update(there - {here})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def faults(
    rule: Callable[[str, ast.AST], Sequence[object]], modules: Iterable[str] = TREES
) -> dict[str, Sequence[object]]:
    """Return what breaks a rule, by module: one test a rule, not one a module and rule."""
    found = {module: rule(module, TREES[module]) for module in modules}
    return {module: broken for module, broken in found.items() if broken}


def test_imports_follow_the_flow() -> None:
    assert faults(backward) == {}


def test_libraries_are_used_in_their_place_alone() -> None:
    assert faults(outsiders) == {}


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    below = [name for name in TREES if not name.startswith(TALKING)]
    assert faults(lambda _, tree: talk(tree), below) == {}


def test_logins_take_nothing_of_the_docker_sdk_but_its_reader_of_logins() -> None:
    found = {name for name in imports(TREES["reprun.images.oci.logins"]) if "docker" in name}
    assert found == {"docker.auth"}


def test_the_command_line_prints_in_one_place() -> None:
    modules = [name for name in TREES if name.startswith("reprun.cli.") and name not in DOORS]
    assert faults(lambda _, tree: prints(tree), modules) == {}


def test_every_process_is_announced_before_it_starts() -> None:
    assert faults(lambda _, tree: unannounced(tree)) == {}


def test_what_steps_wrote_is_reached_in_one_way() -> None:
    modules = [name for name in TREES if name not in NAMES_PATHS]
    assert faults(lambda _, tree: into_workspaces(tree), modules) == {}


def test_what_others_made_is_read_within_limits() -> None:
    found = faults(lambda _, tree: whole_reads(tree))
    assert sorted(found) == sorted(READS_WHOLE)


def test_each_exception_is_one() -> None:
    assert all(into_workspaces(TREES[module]) for module in NAMES_PATHS)


def calls(tree: ast.AST, names: set[str]) -> list[int]:
    """Return the lines that call any of some functions."""
    return [node.lineno for name, node in called(tree) if name in names]


def reads_environment(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and ast.unparse(node) in {"os.environ", "os.getenv"}
        for node in ast.walk(tree)
    )


def test_project_and_store_are_found_at_the_top_and_handed_down() -> None:
    finders = {"Project.find", "Project.look_up", "Store.default"}
    inside = [name for name in TREES if not name.startswith(DOORSTEPS)]
    assert faults(lambda _, tree: calls(tree, finders), inside) == {}


def test_few_modules_read_the_environment() -> None:
    """Each reads the variables that are its own; docs/environment.md has them all."""
    found = {module for module, tree in TREES.items() if reads_environment(tree)}
    assert found == ENVIRONMENT


def test_the_flow_names_every_module_once() -> None:
    assert len(set(FLOW)) == len(FLOW)
    assert {line_of(module) for module in TREES} == set(FLOW)


def test_the_root_holds_no_module_but_those_that_anything_may_use() -> None:
    found = {path.stem for path in (SOURCE / "reprun").glob("*.py")}
    assert found == {"__init__", "__main__", *ROOT}


def test_documents_have_one_base() -> None:
    found = {
        module: node.name
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "BaseModel" in map(ast.unparse, node.bases)
    }
    assert found == {"reprun.documents.reading": "Document"}


def test_programs_of_another_environment_import_nothing_of_reprun() -> None:
    for module in APART:
        assert not [name for name in imports(TREES[module]) if name.startswith("reprun")], module


def test_no_circle_between_the_rooms_of_a_folder() -> None:
    folders = [name for name in TREES if is_package(name)]
    assert [found for folder in folders if (found := circle(folder, TREES))] == []


def test_no_test_module_imports_another() -> None:
    """What they share is in conftest.py, or in a module that holds no test."""
    tests = Path(__file__).parents[1]
    found = [
        (path.name, name)
        for path in sorted(tests.rglob("*.py"))
        for text in [path.read_text()]
        # Few do: parsing all of them would take as long as all the rest of this module.
        if re.search(r"tests\.\S*test_|import\s[^#\n]*\btest_|import \([^)]*\btest_", text)
        for name in imports(ast.parse(text))
        if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
    ]
    assert found == []


def test_the_rules_can_be_broken() -> None:
    wrong = ast.parse(
        "from reprun.runs.run import run\nimport docker.errors\nimport uproot\n"
        "def f():\n    import snakemake.api\n    print(1)\n    raise SystemExit\n"
    )
    assert backward("reprun.store.store", wrong) == ["reprun.runs.run"]
    assert outsiders("reprun.store.store", wrong) == ["docker.errors", "uproot", "snakemake.api"]
    assert talk(wrong) == [6, 7]
    assert prints(wrong) == [6]
    started = ast.parse(
        "subprocess.run(['x'])\nsubprocess.Popen(announced(['x']))\nsubprocess.run(args=['x'])\n"
    )
    assert unannounced(started) == [1, 3]
    reached = ast.parse(
        "cell.workspace / 'x'\nsorted(workspace.rglob('*'))\nworkspace.open('x')\n"
        "Path(run['workspace']) / 'x'\n"
    )
    assert into_workspaces(reached) == [1, 2, 4]
    read = ast.parse(
        "path.read_text()\nread_text(path, most)\nstream.read(5)\nstream.read()\nanswer.json()\n"
    )
    assert whole_reads(read) == [1, 4, 5]
    inner = ast.parse("from reprun.engines import docker\nfrom reprun import conditions\n")
    assert backward("reprun.images.oci.layout", inner) == [
        "reprun.engines.docker",
        "reprun.conditions",
    ]
    round_trip = {
        "reprun.runs.a": ast.parse("from reprun.runs.b.c import x"),
        "reprun.runs.b.c": ast.parse("import reprun.runs.a"),
    }
    assert circle("reprun.runs", round_trip) is not None

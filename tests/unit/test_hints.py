"""Every command that an error advises can be typed: it is one of ours, or a known one."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from reprun.cli import main as cli
from reprun.documents.selection import Selection
from tests.unit import builders

SOURCE = Path(__file__).resolve().parents[2] / "src" / "reprun"
OUTSIDE = {
    *("apt-get", "cd", "cp", "curl", "cvmfs_config", "df", "docker", "export", "file", "git"),
    *("gunzip", "head", "less", "ls", "mkdir", "mv", "pip", "python3", "read", "reana-client"),
    *("rm", "sed", "skopeo", "ssh-keygen", "unset", "yoda2yoda", "chmod"),
}
FILLED = "'a b'"
"""What stands for a value that the code puts in through `quoted`."""
BARE = "x"
"""What stands for any other value."""
PATHS = re.compile(r"\b(path|place|home|target|given|source|directory|beside|several|file)\b")


def texts(node: ast.expr) -> Iterator[str]:
    """Yield what an expression for a hint may be, values filled in; nothing where it is a call."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else filled(part)  # type: ignore[misc, arg-type]
                for part in parts
            )
        case ast.IfExp(body=body, orelse=other):
            yield from (*texts(body), *texts(other))
        case ast.BoolOp(values=values):
            for value in values:
                yield from texts(value)
        case ast.BinOp(left=left):
            yield from texts(left)


def filled(part: ast.FormattedValue) -> str:
    value = ast.unparse(part.value)
    if value.startswith(("quoted(", "shlex.quote(")):
        return FILLED
    if "command(" in value or ".about(" in value:
        return "reprun run x"
    return BARE


def hints() -> Iterator[tuple[str, ast.expr]]:
    """Yield every expression that becomes a hint, with its place."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[ast.expr] = []
            if isinstance(node, ast.Call):
                found = [one.value for one in node.keywords if one.arg in ("hint", "remedy")]
            elif isinstance(node, ast.Assign):
                names = [ast.unparse(target).lower() for target in node.targets]
                found = [node.value] if any(name.endswith("hint") for name in names) else []
            for value in found:
                yield f"{path.relative_to(SOURCE)}:{value.lineno}", value


HINTS = [(place, text) for place, node in hints() for text in texts(node)]


def parsed(words: list[str]) -> str | None:
    """Return why a command line of ours is not one; None where it is."""
    command: Any = get_command(cli.program())
    while words and hasattr(command, "commands"):
        word = words.pop(0)
        if word == "…":  # the same command again
            return None
        if word == "--verbose":
            continue
        if word not in command.commands:
            return f"no command {word}"
        command = command.commands[word]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    given = words[: words.index("--")] if "--" in words else words
    unknown = [w for w in given if w.startswith("-") and w.partition("=")[0] not in options]
    unknown = [word for word in unknown if word not in ("--help", f"--{BARE}")]
    return f"no option {unknown[0]}" if unknown else None


def commands_in(text: str) -> Iterator[str]:
    """Yield the commands of ours that a hint has, also behind a colon in its comment."""
    if text.startswith("reprun "):
        yield text.partition("   # ")[0]
    for found in re.finditer(r"(?:: |or )(reprun [^;,]+)", text):
        yield found[1]


def test_there_are_hints() -> None:
    assert len(HINTS) > 200


@pytest.mark.parametrize(("place", "text"), HINTS, ids=[place for place, _ in HINTS])
def test_a_command_of_ours_can_be_typed(place: str, text: str) -> None:
    for command in commands_in(text):
        assert parsed(shlex.split(command)[1:]) is None, (place, command)


@pytest.mark.parametrize(("place", "text"), HINTS, ids=[place for place, _ in HINTS])
def test_a_command_of_others_is_known_and_can_be_split(place: str, text: str) -> None:
    """One that looks like a command, by its options or its comment, begins with a known word."""
    command = text.partition("   # ")[0]
    first = command.split(" ", 1)[0]
    if first in OUTSIDE:
        assert shlex.split(command, comments=True)
    elif re.search(r"(^| )--?[a-z]+[ =]", command) and re.fullmatch("[a-z][a-z0-9_-]*", first):
        sentence = "same command" in command or first in ("reprun", "leave", "wait")
        assert sentence, (place, command)


def test_paths_are_quoted() -> None:
    bare = []
    for place, node in hints():
        inside = {
            each
            for call in ast.walk(node)
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("quoted")
            for each in ast.walk(call)
        }
        for part in ast.walk(node):
            if not isinstance(part, ast.FormattedValue) or part in inside:
                continue
            value = ast.unparse(part.value)
            if "(" not in value and PATHS.fullmatch(value.rpartition(".")[2]):
                bare.append((place, value))
    assert not bare


def test_a_selection_quotes_what_was_typed(tmp_path: Path) -> None:
    chosen: Selection = builders.selection(called="it's mine", results=tmp_path / "a b")
    words = shlex.split(chosen.command("run", "--again"))
    assert words[:3] == ["reprun", "run", "it's mine"]
    assert str(tmp_path / "a b") in words
    assert parsed(words[1:]) is None

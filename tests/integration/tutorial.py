"""docs/tutorial.md as a script: its files are written, its commands run, its answers compared.

    python -m tests.integration.tutorial DIRECTORY

runs it in an empty directory and writes the answers into the tutorial: look at the difference.
`make tutorial` does that; `REPRUN_STORE` names the store.

A block of `console` holds commands after `$ ` and, below each, all that it says; a block after
`<!-- file: NAME -->` is a file. Before two answers are compared, both are `normal`: what cannot
be the same twice (`NORMAL`) has a word in its place. Of what `reprun` says on standard error, only
the error is taken: the rest is progress, with its times.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reprun.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
HOME = "/home/me"

BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ERROR = re.compile(r"^reprun: .*", re.MULTILINE | re.DOTALL)
NORMAL: tuple[tuple[str, str], ...] = (
    (r"\b[0-9a-f]{12,64}\b", "<digest>"),
    (r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2})?", "<date>"),
    (r"\b\d+\.\d+ s\b", "<time>"),
    (r"(✓ reproduced|✗ not reproduced) +\d+\.\d\b", r"\1 <time>"),
    (r"\bsnakemake \d+\.\d+\.\d+", "snakemake <version>"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the tutorial, and what it says there."""

    typed: str
    answer: str


def blocks(text: str) -> Iterator[re.Match[str]]:
    """Yield the code blocks, in order."""
    yield from BLOCK.finditer(text)


def commands(body: str) -> list[Command]:
    """Return the commands of a console block."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert parts[0] == "", f"a console block starts with a command: {body!r}"
    split = (part.partition("\n") for part in parts[1:])
    return [Command(typed, answer) for typed, _, answer in split]


def normal(answer: str) -> str:
    """Return an answer without what differs from run to run."""
    for pattern, instead in NORMAL:
        answer = re.sub(pattern, instead, answer)
    return "\n".join(line.rstrip() for line in answer.splitlines())


class Terminal:
    """Types commands in one shell session after the other, which remember where they are."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home
        self.code = 0
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("REPRUN_P", "GIT_"))},
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT / "src"),
            "COLUMNS": "100",
            "REPRUN_STORE": str(Store.default().root),  # the home directory is another one here
        }
        bin_directory = home / "reprun" / ".venv" / "bin"
        bin_directory.mkdir(parents=True)
        program = bin_directory / "reprun"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reprun "$@"\n')
        program.chmod(0o755)

    def type(self, command: str) -> str:
        """Run a command; return what it says, with the home directory of the tutorial."""
        state = self.home / ".state"
        script = (
            f"cd '{self.directory}'; (exit {self.code}); {command}\n"
            f"code=$?; (pwd; echo $code; echo $PATH) > '{state}'"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        where, code, path = state.read_text().splitlines()
        self.directory, self.code = Path(where), int(code)
        self.environment["PATH"] = path
        error = done.stderr
        if command.startswith("reprun "):
            found = ERROR.search(error)
            error = found[0] if found else ""
        said = (done.stdout + error).replace(str(self.home), HOME)
        return "".join(f"{line.rstrip()}\n" for line in said.splitlines())


def perform(text: str, home: Path, check: Callable[[Command, str, int], None]) -> str:
    """Do all that a tutorial says in an empty directory; return it with the answers given."""
    terminal = Terminal(home)
    written: list[str] = []
    position = 0
    for block in blocks(text):
        body = block["body"]
        if block["file"]:
            path = terminal.directory / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
        elif block["language"] == "console":
            told = []
            for command in commands(body):
                answer = terminal.type(command.typed)
                check(command, answer, terminal.code)
                told.append(f"$ {command.typed}\n{answer}")
            body = "".join(told)
        written.append(text[position : block.start("body")] + body)
        position = block.end("body")
    return "".join(written) + text[position:]


if __name__ == "__main__":
    TUTORIAL.write_text(perform(TUTORIAL.read_text(), Path(sys.argv[1]).resolve(), lambda *_: None))

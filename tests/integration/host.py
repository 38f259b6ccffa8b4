"""A host with an analysis of a stranger's, for tests that attack it.

A directory of the host stands for all that is the user's: after an attack it holds what it held,
and nothing of it is in the run directory.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from reprun.digests import sha256_file
from reprun.documents.project import read_project
from reprun.documents.record import RunRecord, read_record
from reprun.documents.selection import select
from reprun.runs.lock import compute_lock, write_lock
from reprun.store.store import Store
from tests.integration.shell import Shell

T = TypeVar("T")

ENGINES = ("runc", "rootless", "docker")
"""What the steps of an attack run with; runc also makes the sandbox for Docker."""

EVERY = 5
ALL = "REPRUN_TEST_ALL_ATTACKS"

TOKEN = "token-of-the-user-6d1f"
PRECIOUS = "precious-bytes-of-the-host-91c7"
OUTSIDE = "OUTSIDE"
LONGEST_NAME = 50
CELL = "columnar.numbers"
LOGIN = "login-of-the-user-77ab"

ANALYSIS = """
schema_version: 1
name: tiny
title: A table
experiment: none
dphep_level: "1"
code: [Snakefile, make.py, attack.sh, sub/helper.py]
variants:
  columnar: {image: columnar}
datasets:
  numbers:
    title: Numbers
    files:
      - {path: data/numbers.csv, size: 8, sha256: "DIGEST"}
outputs:
  tables: [out/yields.csv]
compare:
  - {match: "*", kind: count}
"""

HONEST = """
rule all:
    input: "out/yields.csv"

rule first:
    input: "attack.sh", "data/numbers.csv"
    output: "out/first.txt"
    container: config["image"]
    shell: "sh attack.sh || exit 1; cat data/numbers.csv > {output}"

rule make:
    input: "make.py", "sub/helper.py", "out/first.txt"
    output: "out/yields.csv"
    container: config["image"]
    shell: "python3 make.py out/first.txt {output}"
"""

MAKE = """
import sys
number = open(sys.argv[1]).read().split(",")[1].strip()
open(sys.argv[2], "w").write(f"cut,events\\nall,{number}\\n")
"""


@dataclass(frozen=True)
class Attack:
    """An analysis of which a step attacks, or the Snakefile itself."""

    step: str = "true"
    top: str = ""
    text: str = HONEST


class Host:
    """A host with an analysis, a directory that is the user's, and a record of what it holds."""

    def __init__(self, shell: Shell, outside: Path) -> None:
        self.shell = shell
        self.outside = outside
        self.prefix: tuple[str, ...] = ()
        """What starts reprun otherwise than as a process of the tests' own."""
        self.python = sys.executable
        self.engine = ENGINES[0]
        self.options: tuple[str, ...] = ()
        """What chooses the engine."""
        self.give: Callable[[Path], None] = lambda _: None
        """Lets the user of the host own what was made."""
        self.before = self._state()

    @classmethod
    def of(cls, honest: Path, home: Path, store: Store) -> Self:
        """Return a host with a copy of an analysis that is honest so far."""
        shutil.copytree(honest, home, symlinks=True)
        secrets = {
            "REANA_ACCESS_TOKEN": TOKEN,
            "REPRUN_REGISTRY_LOGIN": f"me:{LOGIN}@registry.example",
        }
        shell = Shell(home, store, {"REPRUN_PROJECT": str(home / "project"), **secrets})
        return cls(shell, home / "outside")

    @property
    def analysis(self) -> Path:
        return self.shell.directory / "project/examples/tiny"

    @property
    def run_directory(self) -> Path:
        return self.shell.directory / "results/tiny" / CELL

    def analysis_is(self, attack: str = "true", *, top: str = "", text: str = HONEST) -> None:
        """Write a Snakefile whose first step attacks, or which attacks itself, and lock it."""
        outside = str(self.outside)
        self.shell.write("project/examples/tiny/Snakefile", (top + text).replace(OUTSIDE, outside))
        self.shell.write("project/examples/tiny/attack.sh", attack.replace(OUTSIDE, outside))
        self.reprun("lock", "tiny", code=0)

    def meets(self, attacks: Mapping[str, T]) -> dict[str, T]:
        """Return the attacks that this engine meets: the first one all, each other every fifth.

        With ALL in the environment (`make attack-campaign`) each meets all.
        """
        number = ENGINES.index(self.engine)
        step = 1 if number == 0 or ALL in os.environ else EVERY
        return dict(itertools.islice(attacks.items(), number % step, None, step))

    def analyses_are(self, attacks: Mapping[str, Attack]) -> None:
        """Make an analysis of each attack, each with files of the host's to attack, and lock it."""
        for name, attack in attacks.items():
            place = self.analysis.with_name(cell_of(name))
            outside = self.outside / place.name
            shutil.copytree(self.analysis, place)
            (outside / "project").mkdir(parents=True)
            for path in ("precious.txt", "project/work.txt"):
                (outside / path).write_text(PRECIOUS)
            document = place / "analysis.yaml"
            document.write_text(document.read_text().replace("name: tiny", f"name: {place.name}"))
            (place / "Snakefile").write_text(
                (attack.top + attack.text).replace(OUTSIDE, str(outside))
            )
            (place / "attack.sh").write_text(attack.step.replace(OUTSIDE, str(outside)))
            selection = select(read_project(self.shell.directory / "project"), place.name)
            write_lock(compute_lock(selection), place)
            self.give(outside)
        self.before = self._state()

    def matrix(self, attacks: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Run the analyses of all attacks at once; return what the matrix says of each."""
        command = self.command("matrix", "x-*", *self.options, "--format", "json")
        done = self.shell(*command, code=None)
        assert "Traceback" not in done.stderr, done.stderr
        cells = {cell["analysis"]: cell for cell in json.loads(done.stdout)["cells"]}
        return {name: cells[cell_of(name)] for name in attacks}

    def ran(self, attack: str) -> list[str]:
        """Return the rules of the steps that have run in the analysis of an attack."""
        record = read_record(self.shell.directory / "results" / cell_of(attack) / CELL)
        return [step.rule for step in record.steps if step.succeeded] if record else []

    def run(self, *options: str, code: int | None = None, **variables: str) -> str:
        """Run the analysis; return all it said."""
        return self.reprun("run", "tiny", *self.options, *options, code=code, **variables)

    def command(self, *arguments: str) -> list[str]:
        """Return a command of reprun, as the user of the host types it."""
        return [*self.prefix, self.python, "-m", "reprun", *arguments]

    def reprun(self, *arguments: str, code: int | None = None, **variables: str) -> str:
        """Run reprun on the host; return all it said and its exit code."""
        done = self.shell(*self.command(*arguments), code=code, **variables)
        assert "Traceback" not in done.stderr, done.stderr
        return f"{done.stdout}{done.stderr}[{done.returncode}]"

    @property
    def record(self) -> RunRecord:
        found = read_record(self.run_directory)
        assert found is not None
        return found

    def is_whole(self) -> None:
        """Fail if anything outside was changed, read into the results, or left behind."""
        now = self._state()
        assert sorted(now.keys() - self.before.keys()) == [], "was made"
        assert sorted(self.before.keys() - now.keys()) == [], "was removed"
        assert [path for path in now if now[path] != self.before[path]] == [], "was changed"
        for path in self.shell.directory.joinpath("results").rglob("*"):
            if not path.is_symlink() and path.is_file():
                data = path.read_bytes()
                for secret in (TOKEN, LOGIN, PRECIOUS):
                    assert secret.encode() not in data, path

    def _state(self) -> dict[str, tuple[int, str | None]]:
        """Return the mode of everything outside, and the digest of every file."""
        return {
            path.relative_to(self.outside).as_posix(): (
                path.lstat().st_mode,
                sha256_file(path) if path.is_file() else None,
            )
            for path in sorted(self.outside.rglob("*"))
        }


def cell_of(attack: str) -> str:
    """Return what the analysis of an attack is called."""
    words = re.sub(r"[^a-z0-9]+", "-", attack.lower())
    return "x-" + words[:LONGEST_NAME].strip("-")

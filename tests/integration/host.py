"""A host with an analysis of a stranger's, for tests that attack it.

A directory of the host stands for all that is the user's: after an attack it holds what it held,
and nothing of it is in the run directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reprun.digests import sha256_tree
from reprun.documents.record import RunRecord, read_record
from tests.integration.shell import Shell

TOKEN = "token-of-the-user-6d1f"
PRECIOUS = "precious-bytes-of-the-host-91c7"
OUTSIDE = "OUTSIDE"
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


class Host:
    """A host with an analysis, a directory that is the user's, and a record of what it holds."""

    def __init__(self, shell: Shell, outside: Path) -> None:
        self.shell = shell
        self.outside = outside
        self.prefix: tuple[str, ...] = ()
        """What starts reprun otherwise than as a process of the tests' own."""
        self.before = self._state()

    @property
    def analysis(self) -> Path:
        return self.shell.directory / "project/examples/tiny"

    @property
    def run_directory(self) -> Path:
        return self.shell.directory / "results/tiny/columnar.numbers"

    def analysis_is(self, attack: str = "true", *, top: str = "", text: str = HONEST) -> None:
        """Write a Snakefile whose first step attacks, or which attacks itself, and lock it."""
        outside = str(self.outside)
        self.shell.write("project/examples/tiny/Snakefile", (top + text).replace(OUTSIDE, outside))
        self.shell.write("project/examples/tiny/attack.sh", attack.replace(OUTSIDE, outside))
        self.shell.reprun("lock", "tiny")

    def run(self, *options: str, code: int | None = None, **variables: str) -> str:
        """Run the analysis; return all it said."""
        return self.reprun("run", "tiny", *options, code=code, **variables)

    def reprun(self, *arguments: str, code: int | None = None, **variables: str) -> str:
        """Run reprun on the host; return all it said and its exit code."""
        command = (*self.prefix, sys.executable, "-m", "reprun", *arguments)
        done = self.shell(*command, code=code, **variables)
        assert "Traceback" not in done.stderr, done.stderr
        return f"{done.stdout}{done.stderr}[{done.returncode}]"

    @property
    def record(self) -> RunRecord:
        found = read_record(self.run_directory)
        assert found is not None
        return found

    def is_whole(self) -> None:
        """Fail if anything outside was changed, read into the results, or left behind."""
        assert self._state() == self.before
        for path in self.shell.directory.joinpath("results").rglob("*"):
            if not path.is_symlink() and path.is_file():
                data = path.read_bytes()
                for secret in (TOKEN, LOGIN, PRECIOUS):
                    assert secret.encode() not in data, path

    def _state(self) -> tuple[object, ...]:
        modes = {str(path): path.lstat().st_mode for path in self.outside.rglob("*")}
        return (sha256_tree(self.outside), modes)

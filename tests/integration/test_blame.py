"""Causes that are planted are found by name, by running again, and nothing of the user's moves."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_bytes
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.images.model import Image
from reprun.runs.lock import compute_lock, write_lock
from reprun.store.store import Store
from tests.hostile_repository import git, make_hostile
from tests.images_support import member, stored_image, tar_bytes
from tests.integration.shell import Shell
from tests.projects import mark_project
from tests.whole_project import SNAPSHOT

pytestmark = pytest.mark.slow

ANALYSIS = """\
schema_version: 1
name: chain
title: A chain of two steps
experiment: none
dphep_level: "1"
code: [scale.py, make.py]
parameters: {factor: 1, mode: 0, label: a}
conditions: [rows]
variants:
  answers: {image: answers}
datasets:
  numbers:
    title: Numbers
    files:
      - {path: data/numbers.csv, size: 8, sha256: DIGEST}
outputs:
  tables: [out/yields.csv]
compare:
  - {match: "*", kind: count}
"""
SNAKEFILE = """\
rule all:
    input: "out/yields.csv"

rule first:
    input: "data/numbers.csv", "scale.py"
    output: "out/first.txt"
    container: config["image"]
    shell: "python3 scale.py data/numbers.csv {output}"

rule second:
    input: "out/first.txt", "make.py"
    output: "out/yields.csv"
    params: factor=config["factor"], mode=config["mode"], rows=config["conditions_rows"]
    container: config["image"]
    shell: "python3 make.py {input[0]} {params.factor} {params.mode} {params.rows} {output}"
"""
SCALE = """\
import sys
SCALE, MODE = 1, 0
number = int(open(sys.argv[1]).read().split(",")[1])
open(sys.argv[2], "w").write(f"{number * SCALE},{MODE}")
"""
MAKE = """\
import sys
first, factor, mode, rows, out = sys.argv[1:]
number, other = map(int, open(first).read().split(","))
row = int(open(f"{rows}/rows.csv").read().splitlines()[1].split(",")[1])
answer = int(open("/usr/share/answer").read())
both = 7 if other and int(mode) else 0
open(out, "w").write(f"cut,events\\nall,{number * int(factor) + row + answer + both}\\n")
"""


@dataclass(frozen=True)
class Chain:
    """A project with an analysis of two steps, and what changes it."""

    shell: Shell
    columnar: Image

    @property
    def project(self) -> Path:
        return self.shell.directory / "project"

    @property
    def home(self) -> Path:
        return self.project / "examples/chain"

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text in a file of the analysis."""
        text = (self.home / name).read_text()
        assert old in text
        (self.home / name).write_text(text.replace(old, new))

    def data_is(self, number: int) -> None:
        """Let the data be another file, which the store has."""
        data = f"all,{number:03}\n".encode()
        self.shell.store.add_bytes(data)
        document = (self.home / "analysis.yaml").read_text()
        before = document.partition("sha256: ")[2].partition("}")[0]
        self.replace("analysis.yaml", before, sha256_bytes(data).removeprefix("sha256:"))

    def rows_are(self, number: int) -> None:
        """Let the table of the conditions have another row."""
        data = f"dsid,events\n1,{number}\n".encode()
        place = self.home / "conditions/rows"
        place.mkdir(parents=True, exist_ok=True)
        (place / "rows.csv").write_bytes(data)
        digest = sha256_bytes(data).removeprefix("sha256:")
        (place / "snapshot.toml").write_text(SNAPSHOT.format(size=len(data), digest=digest))

    def image_is(self, answer: int, name: str = "answers") -> None:
        """Let the image be columnar with another file on top of it."""
        layer = tar_bytes([member("./usr/share/answer", f"{answer}\n".encode())], "w")
        stored_image(self.project / "images" / name, name, self.columnar, layer, self.shell.store)

    def lock(self) -> None:
        """Lock the analysis as it is."""
        selection = select(read_project(self.project), "chain")
        write_lock(compute_lock(selection), self.home)

    def night(self, code: int) -> None:
        """Run as a matrix does at night."""
        self.lock()
        self.shell.reprun("run", "chain", code=code)

    def asked(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Return what reprun answers in JSON; what is the user's is as it was."""
        before = self.files()
        done = self.shell.reprun(*arguments, "--format", "json", code=code)
        assert self.files() == before
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def files(self) -> Mapping[Path, bytes]:
        """Return every file of the user's: project, results, history."""
        return {
            path: path.read_bytes()
            for place in ("project", "results")
            for path in sorted((self.shell.directory / place).rglob("*"))
            if path.is_file() and not path.name.startswith(("history.sqlite-", ".lock"))
        }


@pytest.fixture(scope="module")
def blessed(tmp_path_factory: pytest.TempPathFactory, store: Store, columnar: Image) -> Chain:
    """The analysis with a reference, and a good night."""
    home = tmp_path_factory.mktemp("chain")
    project = mark_project(home / "project")
    chain = Chain(Shell(home, store, {"REPRUN_PROJECT": str(project)}), columnar)
    chain.home.mkdir(parents=True)
    texts = {"analysis.yaml": ANALYSIS, "Snakefile": SNAKEFILE, "scale.py": SCALE, "make.py": MAKE}
    for name, text in texts.items():
        (chain.home / name).write_text(text)
    chain.replace("analysis.yaml", "DIGEST", "0" * 64)
    chain.data_is(102)
    chain.rows_are(5)
    chain.image_is(42)
    chain.night(code=5)
    chain.shell.reprun("bless", "chain", "--reason", "counted by hand", "--author", "the tests")
    chain.night(code=0)
    return chain


@pytest.fixture
def chain(blessed: Chain, tmp_path: Path) -> Chain:
    """A copy of it for each test."""
    home = tmp_path / "home"
    shutil.copytree(blessed.shell.directory, home, symlinks=True)
    variables = {"REPRUN_PROJECT": str(home / "project")}
    return Chain(Shell(home, blessed.shell.store, variables), blessed.columnar)


def parameter(chain: Chain) -> None:
    chain.replace("analysis.yaml", "factor: 1", "factor: 2")


def code(chain: Chain) -> None:
    chain.replace("scale.py", "SCALE, MODE = 1", "SCALE, MODE = 3")


def data(chain: Chain) -> None:
    chain.data_is(103)


def conditions(chain: Chain) -> None:
    chain.rows_are(6)


def image(chain: Chain) -> None:
    chain.image_is(43)


def mode(chain: Chain) -> None:
    chain.replace("analysis.yaml", "mode: 0", "mode: 1")


def other(chain: Chain) -> None:
    chain.replace("scale.py", "MODE = 1, 0", "MODE = 1, 1")


def label(chain: Chain) -> None:
    chain.replace("analysis.yaml", "label: a", "label: b")


def comment(chain: Chain) -> None:
    chain.replace("make.py", "import sys", "import sys  # of the standard library")


PLANTED: Mapping[str, tuple[list[Callable[[Chain], None]], list[list[str]], str | None]] = {
    "parameter": ([parameter, comment], [["parameter factor"]], "second"),
    "code": ([code, label], [["code scale.py"]], "first"),
    "data": ([data, label], [["data data/numbers.csv"]], "first"),
    "conditions": ([conditions, comment], [["conditions rows/rows.csv"]], "second"),
    "image": ([image, label], [["image answers"]], "second"),
    "together": ([mode, other, comment], [["code scale.py", "parameter mode"]], "first"),
    "each alone": ([parameter, code], [["code scale.py"], ["parameter factor"]], "first"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_cause_is_found_by_name(chain: Chain, name: str) -> None:
    planted, causes, step = PLANTED[name]
    for change in planted:
        change(chain)
    chain.night(code=1)
    found = chain.asked("blame", "chain")
    names = [[f"{f['kind']} {f['name']}" for f in each["factors"]] for each in found["causes"]]
    assert names == causes
    assert found["conclusion"] == "found"
    assert found["causes"][0]["first_step"] == step
    assert found["notes"] == []
    assert [run["state"] for run in found["runs"][:2]] == ["reproduced", "not reproduced"]
    assert len(found["runs"]) <= 8


def test_bytes_that_are_gone_are_named_and_git_brings_them_back(chain: Chain) -> None:
    git(chain.project, "init", "-q")
    git(chain.project, "add", "-A")
    git(chain.project, "commit", "-q", "-m", "As it was good")
    code(chain)
    label(chain)
    chain.night(code=1)
    with closing(sqlite3.connect(chain.shell.directory / "results/history.sqlite")) as history:
        history.execute("DELETE FROM texts")
        history.commit()
    found = chain.asked("blame", "chain")
    assert [f["name"] for each in found["causes"] for f in each["factors"]] == ["scale.py"]
    shutil.rmtree(chain.project / ".git")
    found = chain.asked("blame", "chain", code=1)
    assert found["conclusion"] == "not put back"
    assert "code scale.py" in found["sentence"]
    assert "parameter label" not in found["sentence"]
    (gone,) = [each for each in found["changes"] if each["name"] == "scale.py"]
    assert not gone["put_back"]
    assert "neither in the project, the store nor the history" in gone["why"]


def test_an_interrupted_blame_leaves_nothing(chain: Chain) -> None:
    code(chain)
    chain.night(code=1)
    before, there = chain.files(), sorted((chain.shell.directory / "results").iterdir())
    with subprocess.Popen(
        [sys.executable, "-m", "reprun", "blame", "chain"],
        cwd=chain.shell.directory,
        env=chain.shell.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("engine: "):
                process.send_signal(signal.SIGINT)
                break
        process.communicate(timeout=120)
        assert process.returncode == 130
    assert chain.files() == before
    left = set((chain.shell.directory / "results").iterdir()) - set(there)
    assert {path.name for path in left} <= {"history.sqlite-wal", "history.sqlite-shm"}


def test_the_first_bad_image_is_found_by_halving(chain: Chain) -> None:
    for number, answer in enumerate((42, 42, 42, 42, 42, 43, 43, 43, 43), 1):
        chain.image_is(answer, f"answers-{number}")
    ends = ("--good", "answers-1", "--bad", "answers-9")
    found = chain.asked("bisect", "chain", *ends)
    assert found["first_bad"] == "answers-6"
    assert found["last_good"] == "answers-5"
    assert len(found["runs"]) == 3
    (chain.project / "images/answers-5/external.lock").unlink()
    found = chain.asked("bisect", "chain", *ends, code=1)
    assert found["not_known"] == ["answers-5"]
    assert "cannot run: answers-5" in found["sentence"]
    found = chain.asked("bisect", "chain", *ends, "--images", "answers-1,answers-9")
    assert found["first_bad"] == "answers-9"


def test_the_first_bad_commit_is_found_and_nothing_of_the_repository_runs(chain: Chain) -> None:
    git(chain.project, "init", "-q")
    for number in range(1, 9):
        if number == 3:
            chain.replace("analysis.yaml", "schema_version", "schema")
        if number == 4:
            chain.replace("analysis.yaml", "schema", "schema_version")
        if number == 6:
            code(chain)
        (chain.home / "make.py").write_text(f"{MAKE}# {number}\n")
        if number != 3:
            chain.lock()
        git(chain.project, "add", "-A")
        git(chain.project, "commit", "-q", "-m", f"Change {number} \x1b[31m{'x' * 300}")
    good, bad = git(chain.project, "rev-parse", "HEAD~7"), git(chain.project, "rev-parse", "HEAD")
    sixth = git(chain.project, "rev-parse", "HEAD~2")
    make_hostile(chain.project, chain.shell.directory / "mark")
    found = chain.asked("bisect", "chain", "--good", good, "--bad", bad)
    assert found["first_bad"] == sixth[:12]
    assert "by A. User: Change 6" in found["about"]
    assert "\x1b" not in found["about"]
    assert len(found["about"]) < 250
    assert len(found["runs"]) <= 4
    assert not (chain.shell.directory / "mark").exists()
    wrong = chain.shell.reprun("bisect", "chain", "--good", "nope", "--bad", bad, code=2)
    assert "there is no commit 'nope'" in wrong.stderr

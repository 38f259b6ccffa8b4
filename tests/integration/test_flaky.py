"""Planted causes of noise: each is named by the variation that shows it, in real containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

pytestmark = pytest.mark.slow

ITSELF = "unvaried"
CAUSES = {
    "mass": ITSELF,
    "time-stamp": ITSELF,
    "identities": ITSELF,
    "day": "date",
    "set-order": "hash-seed",
    "hash-of-text": "hash-seed",
    "glob-order": "directory-order",
    "local-hour": "time-zone",
    "characters": "locale",
    "host": "host-name",
    "home": "home",
    "owner": "user",
    "file-mode": "umask",
    "working-directory": "path",
    "long-variables": "environment",
    "date-of-build": "build-date",
    "workers": "cpus",
    "kernel": "kernel",
    "sum-over-threads": "threads",
    "blas": "blas-kernel",
    "sines": "numpy-features",
    "powers": "glibc-features",
    "steady": "",
}
FILL = r"""
import math, os, platform, random, socket, sys, time
from pathlib import Path
import numpy as np

def listing():
    Path("parts").mkdir(exist_ok=True)
    for number in range(12):
        Path("parts", f"{number:02d}").write_text("")
    return sum(place * int(name) for place, name in enumerate(os.listdir("parts"), 1))

def product(size):
    rows = np.random.default_rng(1).normal(size=(size, size))
    return (rows @ rows).sum() + np.linalg.solve(rows, rows[0]).sum()

Path("mode").write_text("")
numbers = np.linspace(0, 50, 20001, dtype=np.float32)
names = {f"name-{number}" for number in range(12)}
made = {
    "time-stamp": time.time_ns() % 100_000_007,
    "day": time.time() // 86_400,
    "identities": id(object()) // 16 % 100_000_007,
    "set-order": sum(n * int(name[5:]) for n, name in enumerate(names)),
    "hash-of-text": hash("text") % 1_000_003,
    "glob-order": listing(),
    "local-hour": time.localtime().tm_gmtoff,
    "characters": int(sys.argv[1]),
    "host": len(socket.gethostname()),
    "home": len(os.path.expanduser("~")),
    "owner": os.getuid(),
    "file-mode": Path("mode").stat().st_mode & 0o777,
    "working-directory": len(os.getcwd()),
    "long-variables": sum(len(value) > 1000 for value in os.environ.values()),
    "date-of-build": int(os.environ["SOURCE_DATE_EPOCH"]),
    "workers": len(os.sched_getaffinity(0)),
    "kernel": int(platform.release().split(".")[0]),
    "sum-over-threads": product(700),
    "blas": product(60),
    "sines": np.sin(numbers).sum(dtype=np.float64),
    "powers": sum(int(math.frexp(math.pow(1.1, n / 7))[0] * 2**53) % 1000 for n in range(9000)),
    "steady": 42,
}
for name, value in made.items():
    number = float(value)
    Path("out", f"{name}.csv").write_text(f"cut,events\nall,{number!r}\n")
"""
DRAW = """
import random
print("cut,events")
print(f"all,{random.randrange(10**12)}")
"""
COUNT = """
import json, sys
number = int(open(sys.argv[1]).read().split(",")[-1])
axis = {"type": "regular", "lower": 0, "upper": 3, "bins": 3, "underflow": False,
        "overflow": False, "circular": False}
mass = {"uhi_schema": 1, "axes": [axis], "storage": {"type": "int", "values": [1, number, 3]}}
json.dump({"mass": mass}, open(sys.argv[2], "w"))
"""
SNAKEFILE = """
rule all:
    input: {outputs}

rule draw:
    input: "draw.py"
    output: "between/drawn.csv"
    container: config["image"]
    shell: "python3 draw.py > {{output}}"

rule count:
    input: "count.py", "between/drawn.csv"
    output: "out/mass.json"
    container: config["image"]
    shell: "python3 count.py between/drawn.csv {{output}}"

rule fill:
    input: "fill.py"
    output: {filled}
    container: config["image"]
    shell: "text=\\u00e9\\u00e9; python3 fill.py ${{{{#text}}}}"
"""
ANALYSIS = """
schema_version: 1
name: planted
title: Planted causes
experiment: none
dphep_level: "1"
code: [Snakefile, fill.py, draw.py, count.py]
variants:
  columnar: {image: columnar}
outputs:
  histograms: [out/mass.json]
  tables: [TABLES]
compare:
  - {match: "*", kind: count}
"""


@pytest.fixture
def planted(tmp_path: Path, store: Store, columnar: object) -> Shell:
    """A project with an analysis of all causes, which has never run."""
    assert columnar
    project = mark_project(tmp_path / "project")
    (project / "images").symlink_to(ROOT / "images")
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": str(project)})
    filled = [f"out/{name}.csv" for name in CAUSES if name != "mass"]
    paths = ["out/mass.json", *filled]
    home = "project/examples/planted"
    text = SNAKEFILE.format(
        outputs=", ".join(map(json.dumps, paths)), filled=", ".join(map(json.dumps, filled))
    )
    shell.write(f"{home}/Snakefile", text)
    shell.write(f"{home}/fill.py", FILL)
    shell.write(f"{home}/draw.py", DRAW)
    shell.write(f"{home}/count.py", COUNT)
    shell.write(f"{home}/analysis.yaml", ANALYSIS.replace("TABLES", ", ".join(filled)))
    return shell


def files_of(shell: Shell) -> dict[str, bytes]:
    """Return every file of the user's."""
    return {
        path.relative_to(shell.directory).as_posix(): path.read_bytes()
        for path in sorted(shell.directory.rglob("*"))
        if path.is_file() and "images" not in path.parts
    }


def test_every_planted_cause_is_named_and_nothing_of_the_user_is_written(planted: Shell) -> None:
    before = files_of(planted)
    done = planted.reprun("flaky", "planted", "--format", "json", code=1)
    found: dict[str, Any] = json.loads(done.stdout)
    assert files_of(planted) == before
    assert not (planted.directory / "results").exists()
    states = found["variations"]
    skipped = {one["name"]: one["why"] for one in states if one["state"] == "not varied"}
    causes: dict[str, set[str]] = {name: set() for name in CAUSES}
    for one in found["findings"]:
        causes[one["object"]].add(one["variation"])
    causes["sum-over-threads"].discard("blas-kernel")  # another kernel sums otherwise, too
    expected = {n: {c} if c and c not in skipped else set() for n, c in CAUSES.items()}
    assert causes == expected

    steps = {one["object"]: (one["step"], one["outputs"]) for one in found["findings"]}
    assert steps.pop("mass") == ("draw", ["between/drawn.csv"])
    assert {step for step, _ in steps.values()} == {"fill"}
    settled = {one["object"]: one["settled_by"] for one in found["findings"]}
    assert (settled["identities"], settled["mass"]) == ("addresses", "")
    (mass,) = [one for one in found["findings"] if one["object"] == "mass"]
    assert mass["place"] == "bin 2 [1, 2)"
    (mode,) = [one for one in found["findings"] if one["object"] == "file-mode"]
    assert (mode["first"], mode["now"]) == (0o644, 0o600)

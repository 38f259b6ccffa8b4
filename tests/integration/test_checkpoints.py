"""A workflow that grows: what a checkpoint adds runs, is recorded, and is part of the evidence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

ANALYSIS = """
schema_version: 1
name: grows
title: As many steps as a file says
experiment: none
dphep_level: "1"
code: [count.txt]
variants:
  columnar: {image: columnar}
outputs:
  tables: [out/total.csv]
compare:
  - {match: "*", kind: count}
"""

SNAKEFILE = """
def squares(wildcards):
    parts = checkpoints.split.get().output[0]
    return expand("squares/{n}.txt", n=sorted(glob_wildcards(parts + "/{n}.txt").n))

rule total:
    input: squares
    output: "out/total.csv"
    container: config["image"]
    resources: mem_mb=500
    shell:
        "echo cut,events > {output}; "
        "cat {input} | awk '{{s += $1}} END {{print \\"all,\\" s}}' >> {output}"

checkpoint split:
    input: "count.txt"
    output: directory("parts")
    container: config["image"]
    resources: mem_mb=500
    shell: "mkdir -p {output}; for i in $(seq $(cat {input})); do echo $i > {output}/$i.txt; done"

rule square:
    input: "parts/{n}.txt"
    output: "squares/{n}.txt"
    container: config["image"]
    resources: mem_mb=500
    shell: "echo $(( $(cat {input}) * $(cat {input}) )) > {output}"
"""


@pytest.fixture
def grows(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project with one analysis, locked."""
    project = tmp_path / "project"
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})
    (project / "examples" / "grows").mkdir(parents=True)
    (project / "images").symlink_to(ROOT / "images")
    shell.write("project/examples/grows/analysis.yaml", ANALYSIS)
    shell.write("project/examples/grows/Snakefile", SNAKEFILE)
    shell.write("project/examples/grows/count.txt", "3\n")
    shell.write("project/examples/grows/reference/total.csv", "cut,events\nall,14\n")
    shell.reprun("lock", "grows")
    return shell


def record_of(shell: Shell) -> dict[str, Any]:
    path = shell.directory / "results/grows/columnar/record.json"
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def ran(shell: Shell) -> Counter[str]:
    """Return how often each rule ran in the last run."""
    return Counter(step["rule"] for step in record_of(shell)["steps"] if not step["kept"])


def test_what_a_checkpoint_adds_runs_and_is_recorded(grows: Shell) -> None:
    assert "reproduced" in grows.reprun("run", "grows").stdout
    assert ran(grows) == {"split": 1, "square": 3, "total": 1}
    (total,) = [step for step in record_of(grows)["steps"] if step["rule"] == "total"]
    assert set(total["inputs"]) == {f"squares/{n}.txt" for n in (1, 2, 3)}
    assert all(total["inputs"].values())
    assert "cat squares/1.txt squares/2.txt squares/3.txt |" in total["command"]
    assert "nothing ran" in grows.reprun("run", "grows").stdout


def test_a_rule_behind_the_checkpoint_runs_again_alone(grows: Shell) -> None:
    grows.reprun("run", "grows")
    output = grows.directory / "results/grows/columnar/workspace/out/total.csv"
    output.write_text("cut,events\nall,15\n")
    assert "reproduced" in grows.reprun("run", "grows").stdout
    assert ran(grows) == {"total": 1}


def test_the_checkpoint_may_add_others_the_next_time(grows: Shell) -> None:
    grows.reprun("run", "grows")
    grows.write("project/examples/grows/count.txt", "2\n")
    assert "not reproduced" in grows.reprun("run", "grows", "--update-lock", code=1).stdout
    assert ran(grows)["split"] == ran(grows)["total"] == 1
    output = grows.directory / "results/grows/columnar/outputs/out/total.csv"
    assert output.read_text() == "cut,events\nall,5\n"
    # The third square was not planned: it neither counts nor is it listed.
    squares = {step["job"]: step for step in record_of(grows)["steps"] if step["rule"] == "square"}
    assert {step["wildcards"]["n"] for step in squares.values()} == {"1", "2"}
    assert "squares/3.txt" not in record_of(grows)["outputs"]
    grows.write("project/examples/grows/count.txt", "3\n")
    assert "reproduced" in grows.reprun("run", "grows", "--update-lock").stdout

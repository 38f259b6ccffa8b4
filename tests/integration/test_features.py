"""Features of Snakemake that a run must carry out, each in a small analysis of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

ANALYSIS = """
schema_version: 1
name: small
title: A feature
experiment: none
dphep_level: "1"
code: []
variants:
  columnar: {image: columnar}
outputs:
  tables: [out/t.csv]
compare:
  - {match: "*", kind: count}
"""

TABLE = 'echo "n,x" > {output}; echo "a,1" >> {output}'

WORKS = {
    "a later try, by its number": """
rule t:
    output: "out/t.csv"
    container: config["image"]
    retries: 3
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    shell: '[ {resources.mem_mb} = 300 ]; TABLE'
""",
    "a later try with the memory it needs": """
rule t:
    output: "out/t.csv"
    container: config["image"]
    retries: 1
    threads: lambda wildcards, attempt: attempt
    resources: mem_mb=lambda wildcards, attempt: 40 if attempt == 1 else 400
    shell: 'python3 -c "bytearray(100 << 20)"; TABLE'
""",
    "tries on both sides of a checkpoint": """
rule t:
    input: lambda wildcards: expand("p/{n}", n=glob_wildcards(parts(wildcards) + "/{n}").n)
    output: "out/t.csv"
    container: config["image"]
    retries: 1
    resources: k=lambda wildcards, attempt: attempt
    shell: '[ {resources.k} = 2 ]; cat {input}; TABLE'

def parts(wildcards):
    return checkpoints.split.get().output[0]

rule part:
    input: "parts/{n}"
    output: "p/{n}"
    container: config["image"]
    retries: 2
    resources: k=lambda wildcards, attempt: attempt
    shell: '[ {resources.k} = 3 ]; cp {input} {output}'

checkpoint split:
    output: directory("parts")
    container: config["image"]
    retries: 1
    resources: k=lambda wildcards, attempt: attempt
    shell: 'mkdir -p {output}; touch {output}/a; [ {resources.k} = 2 ]; touch {output}/b'
""",
    "memory by the size of an input that is yet to be made": """
rule t:
    input: "large"
    output: "out/t.csv"
    container: config["image"]
    resources: mem_mb=lambda wildcards, input: max(100, 2 * input.size_mb)
    shell: '[ {resources.mem_mb} -gt 150 ]; TABLE'

rule large:
    output: "large"
    container: config["image"]
    shell: 'head -c 90000000 /dev/zero > {output}'
""",
}


@pytest.fixture
def small(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project with one analysis that has no Snakefile yet."""
    project = tmp_path / "project"
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})
    (project / "images").symlink_to(ROOT / "images")
    shell.write("project/examples/small/analysis.yaml", ANALYSIS)
    return shell


def snakefile(shell: Shell, text: str) -> None:
    shell.write("project/examples/small/Snakefile", text.replace("TABLE", TABLE))
    shell.reprun("lock", "small")


def steps_of(shell: Shell) -> list[dict[str, Any]]:
    record = json.loads((shell.directory / "results/small/columnar/record.json").read_text())
    steps: list[dict[str, Any]] = record["steps"]
    return steps


@pytest.mark.parametrize("feature", WORKS)
def test_what_snakemake_runs_is_run(small: Shell, feature: str) -> None:
    """There is no reference, so the run ends with 5 when every step has ended well."""
    snakefile(small, WORKS[feature])
    assert "? no reference: 1 object" in small.reprun("run", "small", code=5).stdout
    before = [step["started"] for step in steps_of(small)]
    small.reprun("run", "small", code=5)
    assert [step["started"] for step in steps_of(small)] == before


def test_every_try_is_recorded(small: Shell) -> None:
    snakefile(small, WORKS["a later try, by its number"])
    done = small.reprun("run", "small", code=5)
    assert [step["exit_code"] for step in steps_of(small)] == [1, 1, 0]
    assert [step["memory_limit_bytes"] >> 20 for step in steps_of(small)] == [100, 200, 300]
    assert done.stdout.count("[1/1] t") + done.stderr.count("[1/1] t") == 3


FAILS = {
    "data that nobody declares": (
        """
rule t:
    input: "data/x.txt"
    output: "out/t.csv"
    container: config["image"]
    shell: 'TABLE'
""",
        2,
        "rule t needs data/x.txt, which is in the directory of the analysis, but",
        "code: [data/x.txt]   # in ",
    ),
    "data that nobody declares, behind a checkpoint": (
        """
rule t:
    input: lambda wildcards: [checkpoints.first.get().output[0], "data/x.txt"]
    output: "out/t.csv"
    container: config["image"]
    shell: 'TABLE'

checkpoint first:
    output: "first"
    container: config["image"]
    shell: 'echo > {output}'
""",
        2,
        "rule t needs data/x.txt, which is in the directory of the analysis, but",
        "code: [data/x.txt]   # in ",
    ),
    "data that only the command names": (
        """
rule t:
    output: "out/t.csv"
    container: config["image"]
    shell: 'cat data/x.txt; TABLE'
""",
        4,
        "    data/x.txt is in the directory of the analysis, but analysis.yaml names it neither",
        "code: [data/x.txt]   # in ",
    ),
    "an include that nobody declares": (
        'include: "data/x.txt"\n',
        2,
        "Snakefile needs data/x.txt, which is in the directory of the analysis, but",
        "code: [data/x.txt]   # in ",
    ),
    "an output that is not as ensure() has it": (
        """
rule t:
    input: "empty"
    output: "out/t.csv"
    container: config["image"]
    shell: 'TABLE'

rule empty:
    output: ensure("empty", non_empty=True)
    container: config["image"]
    shell: 'touch {output}'
""",
        4,
        "Snakemake refuses what a step left:\n    WorkflowError in rule empty in file",
        "less ",
    ),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_cannot_be_run_is_said_with_the_line_to_write(small: Shell, case: str) -> None:
    text, code, message, hint = FAILS[case]
    small.write("project/examples/small/data/x.txt", "1\n")
    snakefile(small, text)
    done = small.reprun("run", "small", code=code)
    assert message in done.stderr
    assert f"\n  try: {hint}" in done.stderr

"""`reprun plan`: every container, mount and command, with nothing run and nothing at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

ANALYSIS = """
schema_version: 1
name: old
title: An analysis of another age
experiment: CMS
dphep_level: "3"
code: [code]
parameters: {events: 100}
conditions: [atlas-metadata]
variants:
  cmssw: {image: cmssw-5.3.32, images: {plots: columnar}}
datasets:
  aod:
    title: Events
    files:
      - {path: data/a.root, size: 1, sha256: "%s"}
outputs: {tables: [out/yields.csv]}
compare:
  - {match: "*", kind: count}
"""

SNAKEFILE = """
rule count:
    input: "code/count.sh", "data/a.root"
    output: "out/counts.txt"
    container: config["image"]
    threads: 2
    resources: mem_mb=1500, runtime=30
    shell: "bash {input} {config[events]} > {output}"

rule table:
    input: "out/counts.txt"
    output: "out/yields.csv"
    container: config["image_plots"]
    shell: "cat {input} > {output}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Shell:
    """An analysis whose image and data are nowhere, in a store that is empty."""
    home = tmp_path / "project"
    home.mkdir()
    for name in ("images", "conditions"):
        (home / name).symlink_to(ROOT / name)
    shell = Shell(tmp_path, Store(tmp_path / "store"), {"REPRUN_PROJECT": str(mark_project(home))})
    shell.write("project/examples/old/analysis.yaml", ANALYSIS % ("0" * 64))
    shell.write("project/examples/old/Snakefile", SNAKEFILE)
    shell.write("project/examples/old/code/count.sh", "wc -c\n")
    return shell


def test_it_tells_what_would_run_where(project: Shell) -> None:
    told = json.loads(project.reprun("plan", "old", "--format", "json", "-p", "events=7").stdout)
    count, table = told["steps"]
    assert (count["rule"], table["rule"]) == ("count", "table")
    assert count["image"] == told["images"]["image"] == "cmssw-5.3.32@not-pinned"
    assert table["image"].startswith("columnar@sha256:")
    assert count["command"] == "bash code/count.sh data/a.root 7 > out/counts.txt"
    cores = min(2, len(os.sched_getaffinity(0)))
    assert (count["cpus"], count["memory_mb"], count["minutes"]) == (cores, 1500, 30)
    assert count["network"] is False
    mounts = {mount["target"]: mount["read_only"] for mount in count["mounts"]}
    assert mounts["/work"] is False
    assert mounts["/work/data/a.root"] is True
    assert any(target.startswith("/") and "metadata" in target for target in mounts)
    shown = project.reprun("plan", "old").stdout
    assert "image cmssw-5.3.32 is external and has not been pulled" in shown
    assert "inputs/data/a.root at /work/data/a.root, read-only" in shown
    assert "nothing was run" in shown
    assert not (project.directory / "results").exists()


def test_what_a_run_would_refuse_is_told_and_is_an_error(project: Shell) -> None:
    text = SNAKEFILE.replace('shell: "cat {input} > {output}"', 'run: print("x")')
    project.write("project/examples/old/Snakefile", text)
    done = project.reprun("plan", "old", code=2)
    assert "refused  rule table uses run:" in done.stdout
    project.write("project/examples/old/Snakefile", "rule all:\n    input: nonsense\n")
    done = project.reprun("plan", "old", code=2)
    assert "nonsense" in done.stderr
    assert "examples/old/Snakefile" in done.stderr

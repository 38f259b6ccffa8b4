"""The matrix: every cell with a verdict of its own, none hiding another."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.images_support import tiny
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

PATIENCE_SECONDS = 60

ANALYSIS = """
schema_version: 1
name: {name}
title: A table
experiment: none
dphep_level: "1"
code: [data.txt]
parameters: {{n: 3}}
variants: {variants}
outputs:
  tables: [out/yields.csv]
compare:
  - {{match: "*", kind: count}}
"""

SNAKEFILE = """
configfile: "config.yaml"

rule all:
    input: "out/yields.csv"

rule count:
    input: "data.txt"
    output: temp("out/{part}.txt")
    log: "logs/{part}.log"
    params: n=config["n"]
    container: config["image"]
    resources: mem_mb=500
    shell: "echo {wildcards.part} > {log}; echo {params.n} > {output}"

rule add:
    input: expand("out/{part}.txt", part=config["parts"])
    output: "out/yields.csv"
    benchmark: "add.tsv"
    container: config["image"]
    resources: mem_mb=500
    shell: "COMMAND"
"""

GOOD = "cat {input} | awk '{{s += $1}} END {{print \\\"cut,events\\\\nall,\\\" s}}' > {output}"


@pytest.fixture
def project(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """An empty project beside the real images."""
    assert columnar.name == "columnar"
    (tmp_path / "project" / "examples").mkdir(parents=True)
    (tmp_path / "project" / "images").symlink_to(ROOT / "images")
    return Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(tmp_path / "project"))})


def add(
    shell: Shell,
    name: str,
    *,
    variants: str = "{columnar: {image: columnar}}",
    command: str = GOOD,
    reference: int = 6,
) -> Path:
    """Add an analysis and lock it."""
    home = f"project/examples/{name}"
    shell.write(f"{home}/analysis.yaml", ANALYSIS.format(name=name, variants=variants))
    shell.write(f"{home}/Snakefile", SNAKEFILE.replace("COMMAND", command))
    shell.write(f"{home}/config.yaml", "parts: [left, right]\nn: 1\n")
    shell.write(f"{home}/data.txt", "x\n")
    shell.write(f"{home}/reference/yields.csv", f"cut,events\nall,{reference}\n")
    shell.reprun("lock", name)
    return shell.directory / home


def matrix(shell: Shell, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = shell.reprun("matrix", "--format", "json", *arguments, code=code)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def states(document: dict[str, Any]) -> dict[str, str]:
    return {f"{c['analysis']}/{c['variant']}": c["state"] for c in document["cells"]}


def steps(shell: Shell, cell: str) -> list[dict[str, Any]]:
    """Return the recorded steps without what differs from run to run."""
    record = json.loads((shell.directory / "results" / cell / "record.json").read_text())
    kept = ("rule", "wildcards", "command", "image", "inputs", "outputs", "exit_code", "log")
    found = [{key: step[key] for key in kept} for step in record["steps"]]
    for step in found:
        step["log"] = step["log"].rpartition("-")[0]  # without the number of the job
    return sorted(found, key=lambda step: (step["rule"], str(step["wildcards"])))


def test_every_cell_has_a_snakemake_and_a_verdict_of_its_own(project: Shell) -> None:
    two = "{a: {image: columnar}, b: {image: columnar, parameters: {n: 4}}}"
    add(project, "good", variants=two)
    add(project, "broken", command="echo so it ends; exit 7")
    add(project, "silent", command="true")
    add(project, "far", variants="{old: {image: cmssw-5.3.32}}")
    found = matrix(project, code=4)
    assert states(found) == {
        "broken/columnar": "failed",
        "far/old": "not run",
        "good/a": "reproduced",
        "good/b": "not reproduced",
        "silent/columnar": "failed",
    }
    assert found["sentence"] == (
        "not reproduced: 3 of 4 cells (broken/columnar, good/b, silent/columnar); "
        "1 not run (far/old)"
    )
    by_name = {f"{cell['analysis']}/{cell['variant']}": cell for cell in found["cells"]}
    assert "exit code 7" in by_name["broken/columnar"]["sentence"]
    assert "so it ends" in by_name["broken/columnar"]["sentence"]
    assert "left no out/yields.csv" in by_name["silent/columnar"]["sentence"]
    assert "external and no digest is known" in by_name["far/old"]["sentence"]
    assert "images import cmssw-5.3.32" in by_name["far/old"]["hint"]
    home = project.directory / "results" / "matrix"
    assert not (home / "snakemake.log").exists()
    for cell in ("good/a", "good/b", "broken/columnar", "silent/columnar"):
        log = (project.directory / "results" / cell / "snakemake.log").read_text()
        assert log.count("Building DAG of jobs") == 1
    assert (home / by_name["good/a"]["report"]).is_file()
    page = (home / "index.html").read_text()
    assert 'href="../good/a/report.html"' in page
    assert "s-not-run" in page
    # A run of the same cell alone finds nothing to do, and --again gives the same steps.
    assert "nothing ran" in project.reprun("run", "good", "--variant", "a").stdout
    before = steps(project, "good/a")
    project.reprun("run", "good", "--variant", "a", "--again")
    assert steps(project, "good/a") == before
    assert [step["rule"] for step in before] == ["add", "count", "count"]
    # Nothing that passed runs again; what failed does.
    text = project.reprun("matrix", "good*", "far", code=1).stdout
    assert "good" in text
    assert "not run (far/old)" in text
    again = matrix(project, code=4)
    assert states(again) == states(found)
    assert {cell["analysis"] for cell in again["cells"] if cell["ran"]} == {"broken", "silent"}


def test_what_ci_reads(project: Shell) -> None:
    home = add(project, "good")
    add(project, "far", variants="{old: {image: cmssw-5.3.32}}")
    add(project, "drifted", reference=7)
    suite = ET.fromstring(project.reprun("matrix", "--format", "junit", code=1).stdout)
    assert suite.attrib["tests"] == "3"
    numbers = [suite.attrib[name] for name in ("failures", "errors", "skipped")]
    assert numbers == ["1", "1", "0"]
    project.write("reports/old.md", "old\n")
    written = ("--junit", "all.xml", "--markdown", "reports/old.md", "--json", "all.json")
    project.reprun("matrix", "--allow-not-run", "far", *written, code=1)
    again = ET.fromstring((project.directory / "all.xml").read_text())
    numbers = [again.attrib[name] for name in ("failures", "errors", "skipped")]
    assert numbers == ["1", "0", "1"]
    assert "unchanged since" in (project.directory / "reports/old.md").read_text()
    assert json.loads((project.directory / "all.json").read_text())["kind"] == "matrix"
    told = project.reprun("matrix", "--format", "markdown", code=1).stdout
    assert "| good | " in told
    assert "✅ reproduced" in told
    assert "❌ not reproduced" in told
    assert "⏸ not run" in told
    # Edited code is told in its cell, and hides no other.
    (home / "data.txt").write_text("y\n")
    found = matrix(project, code=6)
    assert states(found) == {
        "drifted/columnar": "not reproduced",
        "far/old": "not run",
        "good/columnar": "failed",
    }
    assert "differs from its lock" in found["cells"][2]["sentence"]
    assert states(matrix(project, "far", code=2)) == {"far/old": "not run"}
    wrong = project.reprun("matrix", "god", code=2)
    assert "Did you mean 'good'?" in wrong.stderr


def test_a_snakefile_that_does_not_load_spoils_its_own_cell_alone(project: Shell) -> None:
    add(project, "good")
    home = add(project, "faulty")
    (home / "Snakefile").write_text("rule all:\n    input: nonsense\n")
    add(project, "outside")
    outside = project.directory / "project/examples/outside/Snakefile"
    outside.write_text(outside.read_text().replace('"data.txt"', '"../data.txt"'))
    for name in ("faulty", "outside"):
        project.reprun("lock", name)
    found = matrix(project, code=2)
    assert states(found) == {
        "faulty/columnar": "failed",
        "good/columnar": "reproduced",
        "outside/columnar": "failed",
    }
    assert "nonsense" in found["cells"][0]["sentence"]


def test_an_interrupted_matrix_goes_on_where_it_was(project: Shell) -> None:
    add(project, "good")
    add(project, "slow", command="test -e out/now || sleep 60; " + GOOD)
    process = subprocess.Popen(
        [sys.executable, "-m", "reprun", "matrix"],
        cwd=project.directory,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = project.directory / "results/good/columnar/workspace/out/yields.csv"
    started = project.directory / "results/slow/columnar/logs"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (done.exists() and list(started.glob("add-*.log"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "finished steps are kept" in said
    (project.directory / "results/slow/columnar/workspace/out").mkdir(exist_ok=True)
    (project.directory / "results/slow/columnar/workspace/out/now").touch()
    found = matrix(project)
    assert states(found) == {"good/columnar": "reproduced", "slow/columnar": "reproduced"}


def test_a_host_without_apt_shows_every_cell_with_its_reason(tmp_path: Path) -> None:
    """Images can neither be fetched nor locked again there: nobody's fault, and no end of all."""
    tiny(mark_project(tmp_path / "project")).locked()
    shell = Shell(
        tmp_path,
        Store(tmp_path / "empty"),
        {
            "REPRUN_PROJECT": str(tmp_path / "project"),
            "REPRUN_MIRRORS": "",
            "REPRUN_DEBIAN_MIRROR": "",
            "PIP_NO_INDEX": "1",
            "PATH": "/nowhere",
        },
    )
    two = "{a: {image: tiny}, b: {image: tiny, parameters: {n: 4}}}"
    for name in ("first", "second"):
        add(shell, name, variants=two)
    found = matrix(shell, "--relock-images", code=3)
    assert states(found) == {f"{name}/{v}": "not run" for name in ("first", "second") for v in "ab"}
    assert found["sentence"].startswith("not run: 4 of 4 cells")
    for cell in found["cells"]:
        assert cell["sentence"].startswith("locking Debian packages needs apt")
        assert cell["hint"].startswith("reprun images lock")

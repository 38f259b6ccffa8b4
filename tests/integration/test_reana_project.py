"""REANA projects run by `reprun run`: what passes, and what fails by its name."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reprun.engines.box import Box
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.progress import Silent
from reprun.store.store import Store
from reprun.workflow.planning import plan_steps
from tests.integration.shell import ROOT, Shell

PROJECTS = ROOT / "tests" / "data" / "reana"
ROOT6 = "docker.io/reanahub/reana-env-root6:6.18.04=root-6.40"
PYTHON = "docker.io/library/python:3.12-slim"
NOTEBOOK = "--image-map=docker.io/jupyter/scipy-notebook:notebook-6.4.5=columnar"

HELLO = """\
version: "0.9"
inputs:
  parameters: {name: world}
workflow:
  type: serial
  specification:
    steps:
      - environment: columnar
        kubernetes_memory_limit: 200M
        kubernetes_cpu_limit: 500m
        kubernetes_job_timeout: 60
        commands:
"""


@pytest.fixture
def work(shell: Shell) -> Shell:
    """A shell in a directory with a copy of the projects."""
    for source in PROJECTS.iterdir():
        if source.is_dir():
            shutil.copytree(source, shell.directory / source.name)
    return shell


def report_of(shell: Shell, name: str, stem: str = "reana") -> dict[str, Any]:
    path = shell.directory / "results" / name / stem / "report.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def record_of(shell: Shell, name: str, stem: str = "reana") -> dict[str, Any]:
    path = shell.directory / "results" / name / stem / "record.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["status"] for one in report["scenarios"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_serial_project_with_root_macros(work: Shell, catalogue: Catalogue, store: Store) -> None:
    ensure("root-6.40", catalogue, store, Silent())
    feature = work.directory / "serial-root" / "tests" / "fit.feature"
    with feature.open("a") as stream:
        stream.write(
            "\n    Scenario: Twice as many events\n"
            '        Then the file "results/fit.txt" should contain "entries 4000"\n'
        )
    done = work.reprun("run", "serial-root", "--image-map", ROOT6, code=1)
    found = statuses(report_of(work, "serial-root"))
    assert found.pop("Twice as many events") == "failed"
    assert set(found.values()) == {"passed"}
    assert len(found) == 4
    assert "✗ Twice as many events: failed" in done.stdout
    assert 'results/fit.txt does not contain "entries 4000"' in done.stdout
    assert "serial-root did not pass: 2 outputs there, 4 of 5 scenarios passed" in done.stdout
    record = record_of(work, "serial-root")
    [deviation] = record["deviations"]
    assert "reana-env-root6:6.18.04 was replaced by root-6.40" in deviation
    assert f"deviation: {deviation}" in done.stdout
    assert [step["rule"] for step in record["steps"]] == ["toys", "toys", "fit"]
    assert {step["memory_limit_bytes"] for step in record["steps"]} == {2 << 30}
    assert "kubernetes_uid 1000 is ignored" in done.stdout
    page = (work.directory / "results" / "serial-root" / "reana" / "report.html").read_text()
    assert "Twice as many events" in page
    assert "was replaced by root-6.40" in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)


def test_a_snakemake_project_with_configfile_and_includes(work: Shell) -> None:
    """One rule names no image: REANA's default one, which the map replaces too."""
    rule = work.directory / "tracks" / "workflow" / "rules" / "summary.smk"
    edit(rule, f'    container:\n        "docker://{PYTHON}"\n', "")
    target = "tracks/reana-snakemake.yaml"
    listed = work.write("map.yaml", f"{PYTHON}: columnar\nothers/unused:1: columnar\n")
    refused = work.reprun("run", target, "--image-map", str(listed), code=2)
    assert "rule summary names no image" in refused.stderr
    assert "--image-map default=IMAGE" in refused.stderr
    given = ("--image-map", str(listed), "--image-map", "default=columnar")
    done = work.reprun("run", target, *given)
    report = report_of(work, "tracks", "reana-snakemake")
    assert set(statuses(report).values()) == {"passed"}
    assert len(report["deviations"]) == 2
    assert done.stdout.count("deviation: ") == 2
    steps = record_of(work, "tracks", "reana-snakemake")["steps"]
    assert {step["memory_limit_bytes"] for step in steps} == {256 << 20}
    # Another parameter gives other numbers: the tests of the project say so by name.
    work.reprun("run", target, *given, "-p", "minimum_pt=3", code=1)
    report = report_of(work, "tracks", "reana-snakemake")
    assert statuses(report) == {
        "The summary has the right numbers": "failed",
        "Inputs are kept and nothing else is made": "passed",
        "Each selection says what it kept": "failed",
    }
    assert record_of(work, "tracks", "reana-snakemake")["inputs"]["parameters"]["minimum_pt"] == 3


def test_a_notebook_and_what_it_says_as_json(work: Shell) -> None:
    done = work.reprun("run", "notebook/reana.yaml", NOTEBOOK, "-p", "seed=12", "--format=json")
    report = json.loads(done.stdout)
    written = report_of(work, "notebook")
    assert {**report, "kind": written["kind"]} == {**written, "reprun": report["reprun"]}
    assert report["kind"] == "project-report"
    assert report["status"] == "passed"
    assert report["tests_read_by"] == "reprun's own reader"
    assert any("every step ran" in note for note in report["notes"])
    assert record_of(work, "notebook")["inputs"]["parameters"] == {"seed": 12}
    edit(work.directory / "notebook/tests/counts.feature", '"cell 3"', '"cell 4"')
    done = work.reprun("run", "notebook", NOTEBOOK, code=1)
    assert "✗ Every cell ran: failed" in done.stdout
    assert "the log of notebook does not contain" in done.stdout
    done = work.reprun("run", "notebook", NOTEBOOK, "--skip-scenario", "Every*")
    assert "Every cell ran: left out" in done.stdout
    assert "deviation: scenarios left out: Every*" in done.stdout


def test_what_is_refused_before_anything_runs(work: Shell) -> None:
    said = work.reprun("run", "notebook", code=2).stderr
    assert "step notebook runs in docker.io/jupyter/scipy-notebook:notebook-6.4.5" in said
    assert "reana.yaml:13" in said
    assert "--image-map docker.io/jupyter/scipy-notebook:notebook-6.4.5=IMAGE" in said
    said = work.reprun("run", "notebook", NOTEBOOK, "--variant", "x", code=2).stderr
    assert "--variant is for analyses" in said
    assert "--data is for analyses" in work.reprun("lint", "notebook", "--data", "x", code=2).stderr
    said = work.reprun("run", "cms-h4l", "--image-map", "a=b", code=2).stderr
    assert "--image-map is for a REANA project; cms-h4l is not one" in said
    edit(work.directory / "notebook/tests/counts.feature", "Feature:", "Featre:")
    assert "not valid Gherkin" in work.reprun("run", "notebook", NOTEBOOK, code=2).stderr
    assert not (work.directory / "results" / "notebook" / "reana" / "record.json").exists()


def test_commands_are_plain_bash_and_limits_are_kept(work: Shell) -> None:
    out = "outputs: {files: [out.txt], directories: [many]}\n"
    commands = '          - "false; echo ${name} > out.txt"\n          - mkdir many; touch many/a\n'
    work.write("hello/reana.yaml", HELLO + commands + out)
    done = work.reprun("run", "hello", "-p", "name=you")
    assert "✓ hello passed: 2 outputs there" in done.stdout
    assert "deviation" not in done.stdout
    workspace = work.directory / "results" / "hello" / "reana" / "workspace"
    assert (workspace / "out.txt").read_text() == "you\n"
    [first, _] = record_of(work, "hello")["steps"]
    assert (first["memory_limit_bytes"], first["cpus"]) == (191 << 20, 0.5)


def test_every_way_to_fail_has_its_exit_code(work: Shell) -> None:
    work.write("hello/reana.yaml", HELLO + "          - echo done\n")
    said = work.reprun("run", "hello", code=5).stderr
    assert "declares no output and no test" in said
    work.write(
        "hello/reana.yaml",
        HELLO + "          - echo done; mkdir d\noutputs: {files: [a.txt], directories: [d]}\n",
    )
    said = work.reprun("run", "hello", code=4).stderr
    assert "the run left no a.txt; d is an empty directory" in said
    assert record_of(work, "hello")["status"] == "failed"
    work.write("hello/reana.yaml", HELLO + "          - echo no; exit 3\n          - touch never\n")
    done = work.reprun("run", "hello", code=4)
    assert "step step-0 failed: exit code 3" in done.stderr
    assert f"  see: {work.directory / 'results/hello/reana/report.html'}\n" in done.stderr
    record = record_of(work, "hello")
    assert (record["status"], len(record["steps"])) == ("failed", 1)
    assert report_of(work, "hello")["status"] == "failed"


def test_an_interrupt_ends_the_container(work: Shell) -> None:
    work.write("hello/reana.yaml", HELLO + "          - echo begun > begun; sleep 60\n")
    begun = work.directory / "results" / "hello" / "reana" / "workspace" / "begun"
    run = subprocess.Popen(
        [sys.executable, "-m", "reprun", "run", "hello"],
        cwd=work.directory,
        env=work.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    started = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted; the container is gone" in said
    assert time.monotonic() - started < 20
    assert record_of(work, "hello")["status"] == "interrupted"


def test_files_that_would_not_be_uploaded_are_found(work: Shell) -> None:
    path = work.directory / "tracks" / "reana-snakemake.yaml"
    edit(path, "    - workflow\n    - code\n", "    - workflow/rules\n")
    done = work.reprun("lint", str(path), "--format=json", code=2)
    found = {
        (Path(one["file"]).name, one["line"]): one["sentence"]
        for one in json.loads(done.stdout)["findings"]
        if "does not name as input" in one["sentence"]
    }
    assert {(place, said.split(" needs ")[1].split(",")[0]) for place, said in found.items()} == {
        (("reana-snakemake.yaml", 8), "workflow/inputs.yaml"),
        (("reana-snakemake.yaml", 11), "workflow/Snakefile"),
        (("select.smk", 2), "code/select_tracks.py"),
        (("summary.smk", 2), "code/summary.py"),
    }


def test_limits_that_rules_give_for_reana(tmp_path: Path, store: Store) -> None:
    def rule(name: str, resources: str) -> str:
        return (
            f'rule {name}:\n    output: "{name}"\n    container: "columnar"\n'
            f'    resources: {resources}\n    shell: "touch {{output}}"\n'
        )

    (tmp_path / "Snakefile").write_text(
        'rule all:\n    input: "a", "b", "c", "d"\n'
        + rule("a", 'kubernetes_memory_limit="1Gi", kubernetes_job_timeout=90')
        + rule("b", 'mem_mb=100, kubernetes_memory_limit="1Gi", runtime=5')
        + rule("c", "threads=1")
        + rule("d", 'kubernetes_memory_limit="lots"')
    )
    planned = plan_steps(tmp_path, "Snakefile", ["Snakefile"], [], {}, [], Box(store))
    steps = {step.rule: step for step in planned.steps}
    assert (steps["a"].memory_mb, steps["a"].minutes) == (1024, 1.5)
    assert (steps["b"].memory_mb, steps["b"].minutes) == (100, 5)
    assert (steps["c"].memory_mb, steps["c"].minutes) == (None, None)
    assert "'lots' is not an amount of memory" in (steps["d"].fault or "")

"""`reprun lint`: what would not work elsewhere is found, with its line and what to write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reprun.authoring.ignored import ignored_files
from reprun.authoring.lint import lint_snakefile
from reprun.documents.project import read_project
from reprun.documents.selection import choose
from reprun.engines.box import Box
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.unit import builders

ANALYSIS = """\
schema_version: 1
name: wrong
title: Whatever can be wrong
experiment: none
dphep_level: "1"
code: [code]
variants:
  columnar: {image: columnar}
datasets:
  some:
    title: Events
    files:
      - {path: data/a.csv, size: 1, sha256: "%s"}
outputs: {tables: [out/a.csv]}
compare:
  - {match: "*", kind: float, relative: 0.1, reason: "it was so", expires: 2020-01-01}
"""

# One fault a rule; the comment names what must be found in the line it stands on.
SNAKEFILE = """\
storage: "http"  # newer
rule all:
    input: "out/a.csv"
rule a:
    input: "out/b.txt", "out/c.txt", "out/d.txt", "out/e.txt", "out/f.txt"
    output: "out/a.csv"
    benchmark: "bench/a.tsv"  # benchmark
    container: config["image"]
    shell: "cat {input} > {output}"
rule b:
    input: "data/a.csv"
    output: "out/b.txt"
    container: "docker://rootproject/root"  # neither tag nor digest
    shell: "cat {input} > {output}"
rule c:
    output: "out/c.txt"
    container: "docker://rootproject/root:6.24"  # the tag `6.24`
    shell: "cat code/x.py > {output}"  # reads code/x.py
rule d:
    output: "out/d.txt"
    container: config["image"]
    resources: mem_mb=300  # sets no limit on REANA
    shell: "mkdir -p area/tmp && touch {output}"
rule e:
    input: "out/d.txt"
    output: "out/e.txt"
    container: config["image"]
    shell: "cd area/tmp && touch {output}"  # it uses 'area/tmp', as rule d does
rule f:
    output: "out/f.txt"
    shell: "touch {output}"  # no `container:`
"""


@pytest.fixture
def project(tmp_path: Path) -> Shell:
    home = tmp_path / "project"
    home.mkdir()
    (home / "images").symlink_to(ROOT / "images")
    shell = Shell(tmp_path, Store(tmp_path / "store"), {"REPRUN_PROJECT": str(mark_project(home))})
    shell.write("project/examples/wrong/analysis.yaml", ANALYSIS % ("0" * 64))
    shell.write("project/examples/wrong/Snakefile", SNAKEFILE)
    shell.write("project/examples/wrong/code/x.py", "")
    return shell


def found_in(shell: Shell) -> list[dict[str, Any]]:
    done = shell.reprun("lint", "wrong", "--format", "json", code=2)
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return findings


def test_every_fault_is_found_in_its_line(project: Shell) -> None:
    text = SNAKEFILE.replace('storage: "http"', 'print(exists("x")) if False else 0')
    project.write("project/examples/wrong/Snakefile", text)
    findings = found_in(project)
    by_line = {
        (Path(one["file"]).name, one["line"]): one
        for one in findings
        if "is on this" not in str(one)
    }
    expected = {
        number: line.partition("# ")[2]
        for number, line in enumerate(text.splitlines(), 1)
        if "# " in line
    }
    for number, words in expected.items():
        one = by_line.pop(("Snakefile", number))
        assert words in one["sentence"], (number, one)
        assert one["remedy"]
    told = [one["sentence"] for one in findings if one["file"].endswith("analysis.yaml")]
    assert any("expired on 2020-01-01" in sentence for sentence in told)
    assert any("no licence" in sentence for sentence in told)
    assert any("no reference" in sentence for sentence in told)
    assert {file for file, _ in by_line} == {"analysis.yaml"}
    levels = [one["level"] for one in findings]
    assert levels == sorted(levels)  # errors first
    assert any("is on this machine only" in one["sentence"] for one in findings)
    shown = project.reprun("lint", "wrong", code=2).stdout
    assert "Snakefile:7: error: rule a: `benchmark:` is not portable" in shown


def test_files_that_git_ignores_are_found(project: Shell) -> None:
    home = project.directory / "project"
    (home / "images").unlink()
    (home / "images" / "columnar").mkdir(parents=True)
    for name in ("reference/yields.csv", "reference/known.csv", "analysis.lock", "data/a.csv"):
        project.write(f"project/examples/demo/{name}", "1")
    project.write("project/images/columnar/image.lock", "1")
    project.write("project/.gitignore", "*.csv\n*.lock\n")
    dataset = {"title": "d", "files": [{"path": "data/a.csv", "size": 1, "sha256": "0" * 64}]}
    analysis = builders.analysis(datasets={"small": dataset})
    directory = home / "examples" / "demo"
    (directory / "analysis.yaml").write_text("datasets: {small: {}}")
    selection = choose(analysis, directory, read_project(home))
    assert ignored_files(selection, ["code/x.py"]) == []  # no Git
    project("git", "-C", str(home), "init")
    project("git", "-C", str(home), "add", "--force", "examples/demo/reference/known.csv")
    found = ignored_files(selection, ["code/x.py"])
    names = [one.path.relative_to(home).as_posix() for one in found]
    assert names == [
        "examples/demo/analysis.lock",
        "examples/demo/reference/yields.csv",
        "examples/demo/data/a.csv",
        "images/columnar/image.lock",
    ]
    assert [(one.pattern, one.where) for one in found[:2]] == [
        ("*.lock", ".gitignore:2"),
        ("*.csv", ".gitignore:1"),
    ]
    shutil.rmtree(home / "images")
    (home / "images").symlink_to(ROOT / "images")
    project("git", "init", str(home / "examples" / "wrong"))
    project.write("project/examples/wrong/.gitignore", "Snakefile\n")
    (one,) = [one for one in found_in(project) if "Git ignores it" in one["sentence"]]
    assert one["level"] == "error"
    assert one["sentence"] == "Git ignores it, by 'Snakefile' in .gitignore:1: no clone has it"
    assert one["remedy"] == f"git add --force {home / 'examples' / 'wrong' / 'Snakefile'}"


@pytest.mark.parametrize("form", ["script", "run", "notebook", "wrapper"])
def test_what_is_no_shell_command_is_refused(project: Shell, form: str) -> None:
    body = "print(1)" if form == "run" else '"code/x.py"'
    project.write(
        "project/examples/wrong/Snakefile",
        f'rule a:\n    output: "out/a.csv"\n    container: config["image"]\n    {form}: {body}\n',
    )
    errors = [
        one for one in found_in(project) if one["file"].endswith("Snakefile") and one["line"] > 1
    ]
    assert (errors[0]["line"], errors[0]["level"]) == (4, "error")
    assert f"`{form}:` does not run in the rule's container" in errors[0]["sentence"]


def test_named_functions_are_found_and_others_are_not(project: Shell) -> None:
    project.write(
        "project/examples/wrong/Snakefile",
        """
        def count(wildcards):
            return 1

        rule a:
            input: lambda wildcards: [], part="code/x.py"
            output: "out/a.csv"
            params: one=count, two=lambda wildcards: 2, three=count(None), four=4
            container: config["image"]
            shell: "cat {input.part} > {output}"
        """,
    )
    told = [one["sentence"] for one in found_in(project) if "is a function" in one["sentence"]]
    assert [sentence.split("`")[1] for sentence in told] == ["one", "two"]


def test_a_snakefile_that_does_not_load_is_a_finding(project: Shell) -> None:
    project.write("project/examples/wrong/Snakefile", "rule all:\n    input: nonsense\n")
    assert any("nonsense" in one["sentence"] for one in found_in(project))


def test_the_known_faults_of_a_public_workflow(tmp_path: Path, store: Store) -> None:
    """Like the public H->4l workflow: no tag, and a work area that no rule declares."""
    (tmp_path / "Snakefile").write_text(
        'rule all:\n    input: "results/plot.pdf"\n'
        "rule build:\n"
        '    output: touch("built.txt")\n'
        '    container: "docker://docker.io/cmsopendata/cmssw_5_3_32"\n'
        '    shell: "cd Work/CMSSW_5_3_32/src && scram b"\n'
        "rule analyse:\n"
        '    input: "built.txt"\n'
        '    output: "results/plot.pdf"\n'
        '    container: "docker://docker.io/cmsopendata/cmssw_5_3_32"\n'
        '    shell: "cd Work/CMSSW_5_3_32/src && cmsRun x.py"\n'
    )
    findings = lint_snakefile(
        tmp_path / "Snakefile",
        known=["Snakefile"],
        data=[],
        config={},
        targets=["results/plot.pdf"],
        catalogue=None,
        confined=Box(store),
    )
    sentences = {one.line: one.sentence for one in findings if one.level == "error"}
    assert sorted(sentences) == [5, 10, 11]
    assert "neither tag nor digest" in sentences[5]
    assert "uses 'Work/CMSSW_5_3_32/src', as rule build does" in sentences[11]


def test_a_file_that_nothing_makes_is_at_its_rule_with_both_remedies(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "Snakefile").write_text(
        "rule first:\n"
        '    output: "a.txt"\n'
        '    shell: "touch {output}"\n'
        "rule second:\n"
        '    input: "a.txt", "data/events.root"\n'
        '    output: "b.txt"\n'
        '    shell: "touch {output}"\n'
    )
    (wrong,) = (
        one
        for one in lint_snakefile(
            tmp_path / "Snakefile",
            known=["Snakefile"],
            data=[],
            config={},
            targets=["b.txt"],
            catalogue=None,
            confined=Box(store),
        )
        if "events.root" in one.sentence
    )
    assert (wrong.level, wrong.line) == ("error", 4)
    assert "reprun data add" in wrong.remedy


def test_our_own_examples_have_no_errors(project: Shell) -> None:
    names = sorted(path.parent.name for path in (ROOT / "examples").glob("*/analysis.yaml"))
    assert "cms-h4l" in names
    for name in names:
        project.reprun("lint", name, REPRUN_PROJECT=str(ROOT))

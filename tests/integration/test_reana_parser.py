"""Our reader of REANA's tests agrees with REANA's own parser, scenario by scenario.

The parser is installed from PyPI in a Python of its own: it wants jsonschema < 4.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reprun.errors import SpecificationError
from reprun.reana.local.acceptance import VARIABLE, by_us, judge_features, reader
from reprun.reana.local.gherkin import read_feature
from reprun.reana.local.specification import read_project
from tests.integration.shell import ROOT
from tests.reana_evidence import evidence

PACKAGES = (
    "reana-commons==0.95.0a26",
    "gherkin-official==42.0.1",
    "parse==1.22.4",
    "PyYAML==6.0.3",
    "typing-extensions",
)
FEATURES = sorted((ROOT / "tests" / "data" / "reana").rglob("*.feature"))


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with REANA's parser, and nothing else of reana-commons' requirements."""
    home = tmp_path_factory.mktemp("reana") / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES], check=True)
    return python


@pytest.fixture
def reana(interpreter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(interpreter))


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.name)
@pytest.mark.usefixtures("reana")
def test_both_say_the_same_of_every_scenario(path: Path, tmp_path: Path) -> None:
    feature, run = read_feature(path), evidence(tmp_path)
    theirs = judge_features([feature], run, [])
    ours = list(by_us(feature, run))
    assert [(one.scenario.name, one.status) for one in ours] == [
        (one.scenario.name, one.status) for one in theirs
    ]
    assert len(ours) > 1
    assert reader() == "reana-commons 0.95.0a26"


@pytest.mark.usefixtures("reana")
def test_where_ours_is_stricter(tmp_path: Path) -> None:
    """Each is in docs/reana-projects.md; if REANA changes one, this fails and so must that."""
    path = tmp_path / "a.feature"
    path.write_text(
        "Feature: f\n"
        "  Scenario: in quotes\n"
        '    Then the workspace should not include "plot.png"\n'
        "  Scenario: nothing asked\n"
        "    When the workflow is finished\n"
    )
    feature, run = read_feature(path), evidence(tmp_path / "workspace")
    theirs = [one.status for one in judge_features([feature], run, [])]
    ours = [one.status for one in by_us(feature, run)]
    assert theirs == ["passed", "passed"]
    assert ours == ["failed", "not understood"]


@pytest.mark.usefixtures("reana")
def test_what_neither_understands_is_named_by_both(tmp_path: Path) -> None:
    path = tmp_path / "a.feature"
    path.write_text(
        "Feature: f\n"
        "  Scenario: one\n    Then the moon should be green\n"
        "  Scenario: two\n    Then the workflow should be finished\n"
    )
    feature, run = read_feature(path), evidence(tmp_path / "workspace")
    theirs = judge_features([feature], run, [])
    assert [one.status for one in theirs] == ["not understood"] * 2  # it refuses the file
    assert "the moon should be green" in theirs[0].sentence
    assert [one.status for one in by_us(feature, run)] == ["not understood", "passed"]


def test_a_python_without_the_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/usr/bin/false")
    with pytest.raises(Exception, match="has no reana-commons") as caught:
        reader()
    assert "pip install" in str(caught.value.hint)  # type: ignore[attr-defined]


def schema_of(interpreter: Path) -> dict[str, Any]:
    [path] = interpreter.parents[1].glob("lib/*/site-packages/reana_commons/validation/schemas/*")
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


@pytest.mark.parametrize(
    ("old", "new", "good"),
    [
        ("", "", True),
        ("kubernetes_uid: 1000", "kubernetes_uid: many", False),
        ("kubernetes_uid: 1000", "kubernetes_cpu_limit: 500m", True),
        ("kubernetes_uid: 1000", "unpacked_img: true", True),
        ("kubernetes_uid: 1000", "compute_backend: laptop", False),
        ("kubernetes_uid: 1000", "compute_backend: slurmcern", True),
        ("kubernetes_uid: 1000", "color: green", False),
        ("version: 0.9.0", "metadata: {title: old}", False),
        ("version: 0.9.0", "workspace: {retention_days: {'**': 3}}", True),
        ("type: serial", "type: shell", False),
        ("  files:\n    - tests/fit.feature", "  - tests/fit.feature", False),
        ("  parameters:\n", "  options: {}\n  parameters:\n", True),
    ],
)
def test_reanas_schema_takes_and_refuses_the_same_documents(
    interpreter: Path, tmp_path: Path, old: str, new: str, good: bool
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "data" / "reana" / "serial-root", project)
    path = project / "reana.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else text)
    validator = jsonschema.Draft7Validator(schema_of(interpreter))
    assert validator.is_valid(yaml.safe_load(path.read_text())) == good
    if good:
        assert read_project(path).type == "serial"
    else:
        with pytest.raises(SpecificationError):
            read_project(path)


@pytest.mark.parametrize("name", ["serial-root/reana", "tracks/reana-snakemake", "notebook/reana"])
def test_our_projects_are_good_to_reanas_schema(interpreter: Path, name: str) -> None:
    path = ROOT / "tests" / "data" / "reana" / f"{name}.yaml"
    document = yaml.safe_load(path.read_text())
    jsonschema.Draft7Validator(schema_of(interpreter)).validate(document)

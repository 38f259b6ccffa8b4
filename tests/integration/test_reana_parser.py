"""Our reader of REANA's tests agrees with REANA's own parser, scenario by scenario.

The parser is installed from PyPI in a Python of its own: it wants jsonschema < 4.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reprun.reana_project.acceptance import VARIABLE, by_us, judge_features, reader
from reprun.reana_project.gherkin import read_feature
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

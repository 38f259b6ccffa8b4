"""The candidates' example end to end, with conditions in the job and one wrong file in place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.real_data import shared_data

NAME = "cms-h4l-events"


@pytest.fixture
def events(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project of its own with the analysis, so that a test may spoil it."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / NAME, project / "examples" / NAME)
    for part in ("images", "conditions"):
        (project / part).symlink_to(ROOT / part)
    variables = {"REPRUN_PROJECT": str(mark_project(project)), "REPRUN_MIRRORS": str(shared_data())}
    return Shell(tmp_path, store, variables)


def test_it_reproduces_until_wrong_files_are_taken(events: Shell) -> None:
    report = json.loads(events.reprun("run", NAME, "--format", "json").stdout)
    assert report["status"] == "reproduced"
    # Seven histograms (four of m(4l), two of Z masses, one recomputed) of six categories; tables.
    assert len(report["items"]) == 7 * 6 + 6
    assert {item["verdict"] for item in report["items"]} <= {"identical", "equal"}
    run = events.directory / "results" / NAME / "columnar.original"
    assert (run / "outputs/results/m4l.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((run / "record.json").read_text())
    years = (2011, 2012)
    assert set(record["inputs"]["conditions"]) == {f"cms-validated-runs-{y}" for y in years}

    code = events.directory / "project" / "examples" / NAME / "code" / "fill_histograms.py"
    text = code.read_text()
    assert '"2e2mu": "DoubleMu"' in text
    code.write_text(text.replace('"2e2mu": "DoubleMu"', '"2e2mu": "DoubleE"'))
    done = events.reprun("run", NAME, "--update-lock", code=1)
    assert "not reproduced: 1 of 48 objects" in done.stdout
    # Double electron data hold 11 candidates of 2e2mu in 2011, not 13.
    assert "row '2e2mu_2011', column 'in_m4l' is 11, reference 13" in done.stdout
    assert "code: code/fill_histograms.py changed" in done.stdout

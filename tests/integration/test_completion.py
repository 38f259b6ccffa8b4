"""Shell completion, asked for as a shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reprun.authoring.init import init_project
from reprun.documents.record import write_record
from reprun.history.model import short_of
from tests.history_support import Nights
from tests.unit import builders


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return init_project(tmp_path / "mine").directory


def completed(directory: Path, line: str, program: str = "reprun") -> list[str]:
    """Return what bash would offer for the last word of a line; an empty word after a blank."""
    done = subprocess.run(
        [Path(sys.executable).parent / program],
        cwd=directory,
        env={
            **{name: value for name, value in os.environ.items() if name != "REPRUN_PROJECT"},
            "_REPRUN_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands(tmp_path: Path) -> None:
    assert completed(tmp_path, "reprun ini") == ["init"]
    assert "lock" in completed(tmp_path, "reprun images ")


@pytest.mark.parametrize(
    "command", ["run", "show", "plan", "bless", "badge", "data fetch", "data verify", "data add"]
)
def test_names_of_analyses(project: Path, command: str) -> None:
    assert completed(project, f"reprun {command} d") == ["dimuon"]
    assert completed(project, f"reprun {command} x") == []


def test_variants_of_the_analysis_that_was_typed(project: Path) -> None:
    assert completed(project, "reprun run dimuon --variant ") == ["columnar"]
    assert completed(project, "reprun run dimuon --variant col") == ["columnar"]
    assert completed(project, "reprun run dimuon --variant root") == []
    assert completed(project, "reprun run none --variant col") == []
    assert completed(project, "reprun run --variant col") == []


def test_datasets_snapshots_and_steps(project: Path) -> None:
    assert completed(project, "reprun run dimuon --data ") == ["events"]
    assert completed(project, "reprun data fetch dimuon --data ev") == ["events"]
    snapshot = project / "conditions" / "tags"
    snapshot.mkdir(parents=True)
    (snapshot / "snapshot.toml").write_text("")
    assert completed(project, "reprun conditions show t") == ["tags"]
    assert completed(project, "reprun logs dimuon ") == []
    home = project / "results" / "dimuon" / "columnar.events"
    home.mkdir(parents=True)
    write_record(builders.record(), home)
    assert completed(project, "reprun logs dimuon ") == ["make", "plot"]
    assert completed(project, "reprun shell dimuon pl") == ["plot"]


def test_runs_of_the_history(project: Path) -> None:
    assert completed(project, "reprun blame dimuon --good ") == []
    mine, other = Nights(project / "results", analysis="dimuon"), Nights(project / "results")
    nights = [mine.add(0), mine.add(1)]
    names = [short_of(night.run.identity) for night in nights]
    theirs = short_of(other.add(2).run.identity)
    assert completed(project, "reprun blame dimuon --good ") == names[::-1]
    assert completed(project, f"reprun blame dimuon --bad {names[0][:6]}") == names[:1]
    assert completed(project, "reprun diff ") == [theirs, *names[::-1]]


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_a_script_for_every_shell(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "reprun", "--show-completion", kind],
        cwd=tmp_path,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_REPRUN_COMPLETE" in done.stdout


def test_images_of_the_project_and_of_reprun(project: Path, tmp_path: Path) -> None:
    own = project / "images" / "cool"
    own.mkdir(parents=True)
    (own / "image.toml").write_text("")
    assert completed(project, "reprun images show co") == ["columnar", "cool"]
    assert completed(project, "reprun images diff columnar coo") == ["cool"]
    assert completed(project, "reprun doctor --image coo") == ["cool"]
    assert completed(tmp_path, "reprun images show co") == ["columnar"]


def test_outside_a_project_and_in_a_faulty_one_nothing_is_said(tmp_path: Path) -> None:
    assert completed(tmp_path, "reprun run d") == []
    (tmp_path / "reprun.toml").write_text("schema_version = [")
    for line in ("reprun run d", "reprun run d --variant c", "reprun images show c"):
        assert completed(tmp_path, line) == []

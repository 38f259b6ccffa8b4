"""`reprun new`: what it writes runs at once, in the real image, on real data."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from reprun.authoring.new import Request, new_analysis
from reprun.documents.project import read_project
from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.real_data import real_file, shared_data
from tests.record_files import write_records

MUONS = "Run2012BC_DoubleMuParked_Muons_first100k.root"
NAN = 'mass [GeV],"a, b",e.tag\n1.5,,x\n,2,y\n2.5,nan,z\n# a remark\n3.5,4,w\n'


@pytest.fixture
def project(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """An empty project of one's own."""
    home = tmp_path / "project"
    (home / "examples").mkdir(parents=True)
    (home / "images").symlink_to(ROOT / "images")
    return Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(home))})


def test_all_three_kinds_run_as_they_are_written(project: Shell) -> None:
    """One matrix for all: without references it says so, with them all are reproduced."""
    muons = shared_data() / "cms-dimuon" / MUONS
    table = project.write("with blanks.csv", NAN)
    few = ("--column", "nMuon", "--column", "Muon_pt")  # drawing is what takes the time
    project.reprun("new", "muons", "--from", str(muons), "--experiment", "cms", *few)
    few = ("--column", "demo/NMuons", "--column", "demo/GMmass_extended")
    project.reprun("new", "masses", "--from", str(real_file("DoubleMu11.root")), *few)
    project.reprun("new", "odd", "--from", str(table), "--experiment", "ATLAS")
    names = ("muons", "masses", "odd")
    for name in names:
        project.reprun("lock", name)
    project.reprun("matrix", code=5)
    for name in names:
        project.reprun("bless", name, "--reason", "tried", "--author", "the tests")
    rows = json.loads(project.reprun("matrix", "--format", "json").stdout)
    assert {cell["state"] for cell in rows["cells"]} == {"reproduced"}

    def outputs(name: str) -> Path:
        (found,) = (project.directory / "results" / name).glob("*/outputs/results")
        assert (found / "plots.png").stat().st_size > 10_000
        return found

    # What was counted is what is in the files, counted here in another way.
    with uproot.open(muons) as file, uproot.open(outputs("muons") / "histograms.root") as made:
        events = file["Events"].arrays(["nMuon", "Muon_pt"], library="np")
        axis = made["Muon_pt"].axis().edges()
        first, last = axis[0], axis[-1]
        keep = [bool(((pt >= first) & (pt < last)).any()) for pt in events["Muon_pt"]]
        every = np.concatenate(list(events["Muon_pt"][keep])).astype(float)
        assert (made["Muon_pt"].values() == np.histogram(every[every < last], axis)[0]).all()
        assert made["Muon_pt"].values(flow=True).sum() == len(every)
    assert flow(outputs("muons")) == {"all": "100000", "Muon_pt in range": str(sum(keep))}
    with uproot.open(outputs("odd") / "histograms.root") as made:
        assert made["mass [GeV]"].values(flow=True).sum() == flow_number(outputs("odd"))
        assert set(made.keys(cycle=False)) == {"mass [GeV]", "a, b"}
    with uproot.open(outputs("masses") / "histograms.root") as made:
        assert made["demo/NMuons"].values(flow=True).sum() == 35160516 + 127262
        assert len(made["demo/GMmass_extended"].values()) == 80  # three of 240 bins in one

    # A part of the events is another tier, and the step is told.
    planned = project.reprun("plan", "muons", "--max-events", "1000").stdout
    assert "columnar.events.max-events-1000" in planned
    assert "--max-events 1000" in planned


def test_parts_of_records_are_filled_as_they_are_written(project: Shell) -> None:
    source = project.directory / "records.root"
    write_records(source)
    project.reprun("new", "records", "--from", str(source))
    project.reprun("run", "records", code=5)
    (made,) = (project.directory / "results" / "records").glob("*/outputs/results")
    with uproot.open(made / "histograms.root") as file:
        assert set(file.keys(cycle=False)) == {"muons.pt", "vertex.z"}
        assert file["muons.pt"].values(flow=True).sum() == 1 + 2 + 3 + 4


def flow(directory: Path) -> dict[str, str]:
    with (directory / "yields.csv").open(newline="") as table:
        header, *rows = csv.reader(table)
    assert header == ["cut", "events"]
    return dict(rows)


def flow_number(directory: Path) -> int:
    """Events of the last cut."""
    return int(list(flow(directory).values())[-1])


def test_what_is_written_is_clean_code(tmp_path: Path) -> None:
    muons = shared_data() / "cms-dimuon"
    write_records(tmp_path / "records.root")
    project = read_project(mark_project(tmp_path, packaged_images=True))
    code = project.analyses
    for name, source in {
        "tree": muons / MUONS,
        "table": muons / "MuRun2010B_0.csv",
        "histograms": real_file("HZZ12.root"),
        "parts": tmp_path / "records.root",
    }.items():
        new_analysis(Request(name, source, experiment="LHCb"), project)
    shared = ("--config", str(ROOT / "pyproject.toml"), str(code))
    for command in (("check", "--ignore", "T20,INP"), ("format", "--check")):
        done = subprocess.run(
            [Path(sys.executable).parent / "ruff", *command, "--no-cache", *shared],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for script in code.glob("*/code/*.py"):
        assert len(script.read_text().splitlines()) < 100, script

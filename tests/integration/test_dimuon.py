"""The dimuon and four-lepton analyses end to end: reproduced in every image, changes are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.real_data import shared_data

pytestmark = pytest.mark.slow

GB = 10**9


def project(tmp_path: Path, store: Store, name: str) -> Shell:
    """A project of its own with one analysis, so that a test may spoil it."""
    home = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / name, home / "examples" / name)
    shutil.copytree(ROOT / "images", home / "images")
    mirrors = str(shared_data())
    return Shell(
        tmp_path, store, {"REPRUN_PROJECT": str(mark_project(home)), "REPRUN_MIRRORS": mirrors}
    )


@pytest.fixture
def dimuon(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    return project(tmp_path, store, "cms-dimuon")


@pytest.fixture
def atlas(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    return project(tmp_path, store, "atlas-4lep")


@pytest.fixture
def root(store: Store, catalogue: Catalogue) -> Image:
    """The image with ROOT, fetched and built where it is not there yet."""
    return ensure("root-6.40", catalogue, store, Silent())


def replace(shell: Shell, path: str, old: str, new: str) -> None:
    file = shell.directory / "project" / "examples" / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def results(shell: Shell, analysis: str, cell: str) -> Path:
    return shell.directory / "results" / analysis / cell


def test_columnar_reproduces_both_datasets_in_bounded_memory(dimuon: Shell) -> None:
    done = dimuon.reprun("run", "cms-dimuon")
    assert "reproduced: 11 objects, all identical" in done.stdout
    run = results(dimuon, "cms-dimuon", "columnar.nanoaod")
    (log,) = (run / "logs").glob("fill-*.log")
    assert "100%  100,000 of 100,000 events" in log.read_text()
    steps = json.loads((run / "record.json").read_text())["steps"]
    assert max(step["peak_memory_bytes"] for step in steps) < GB
    done = dimuon.reprun("run", "cms-dimuon", "--data", "csv")
    assert "reproduced: 11 objects, all identical" in done.stdout


def test_root_reproduces_what_columnar_gave(dimuon: Shell, root: Image) -> None:
    """Every count is the same; the fits of iminuit and ROOT agree within what is stated."""
    done = dimuon.reprun("run", "cms-dimuon", "--variant", "root-6.40")
    assert "reproduced: 11 objects, 9 identical, 2 equal" in done.stdout
    # Interpreted, which spares the 20 s of compiling it a second time.
    replace(dimuon, "cms-dimuon/root.smk", "fill.C+(", "fill.C(")
    done = dimuon.reprun(
        *("run", "cms-dimuon", "--variant", "root-6.40", "--data", "csv", "--update-lock")
    )
    assert "reproduced: 11 objects, 9 identical, 2 equal" in done.stdout


def test_a_tier_is_named_and_a_changed_cut_and_constant_are_found(dimuon: Shell) -> None:
    first = ("run", "cms-dimuon", "--max-events", "10000")
    done = dimuon.reprun(*first)
    assert "reproduced" in done.stdout
    assert "the first 10,000 events" in done.stdout
    replace(dimuon, "cms-dimuon/code/columnar/dimuon.py", "(81.0, 101.0)", "(82.0, 101.0)")
    replace(dimuon, "cms-dimuon/code/columnar/zpeak.py", "Z_WIDTH = 2.4955", "Z_WIDTH = 2.4")
    done = dimuon.reprun(*first, "--update-lock", code=1)
    assert "not reproduced: 3 of 11 objects" in done.stdout
    assert "opposite sign, 81-101 GeV" in done.stdout
    assert "resolution [GeV]" in done.stdout
    assert "code: code/columnar/dimuon.py changed" in done.stdout


def test_atlas_reproduces_and_a_changed_cut_is_found(atlas: Shell) -> None:
    done = atlas.reprun("run", "atlas-4lep")
    assert "reproduced: 7 objects, all identical" in done.stdout
    replace(atlas, "atlas-4lep/code/fourlep.py", "self.charges == 0", "self.charges <= 0")
    done = atlas.reprun("run", "atlas-4lep", "--update-lock", code=1)
    assert "not reproduced" in done.stdout
    assert "no net charge" in done.stdout
    assert "code: code/fourlep.py changed" in done.stdout

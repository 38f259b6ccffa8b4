"""Every example in every variant: in CI, with the shared data there, nothing may be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reprun.documents.analysis import load_analysis
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.real_data import shared_data

pytestmark = pytest.mark.slow

CANNOT_RUN_HERE = {"cms-h4l-aod/cmssw"}
"""An image that only its registry has."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, store: Store, catalogue: Catalogue) -> Shell:
    """The project itself, with every image of its examples in the store."""
    for directory in sorted((ROOT / "examples").iterdir()):
        for variant in load_analysis(directory).variants.values():
            for name in variant.all_images.values():
                if not catalogue.is_external(name):
                    ensure(catalogue.locked(name), catalogue, store, Silent())
    home: Path = tmp_path_factory.mktemp("matrix")
    return Shell(home, store, {"REPRUN_MIRRORS": str(shared_data())})


def cells(shell: Shell) -> dict[str, dict[str, Any]]:
    document = json.loads(shell.reprun("matrix", "--format", "json").stdout)
    return {f"{cell['analysis']}/{cell['variant']}": cell for cell in document["cells"]}


def test_every_cell_that_can_run_is_reproduced(shell: Shell) -> None:
    found = cells(shell)
    expected = {
        f"{directory.name}/{variant}"
        for directory in (ROOT / "examples").iterdir()
        for variant in load_analysis(directory).variants
    }
    assert set(found) == expected
    not_run = {name for name, cell in found.items() if cell["state"] == "not run"}
    assert not_run == CANNOT_RUN_HERE
    others = {name: cell["state"] for name, cell in found.items() if name not in not_run}
    assert set(others.values()) == {"reproduced"}, others
    # Typed again, nothing runs and the answer is the same.
    again = cells(shell)
    assert not any(cell["ran"] for cell in again.values())
    assert {name: cell["state"] for name, cell in again.items()} == {
        name: cell["state"] for name, cell in found.items()
    }
    listed = json.loads(shell.reprun("list", "--format", "json").stdout)["analyses"]
    verdicts = {row["name"]: row["verdict"] for row in listed}
    assert all("reproduced" in verdict for verdict in verdicts.values()), verdicts

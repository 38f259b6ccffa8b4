"""The ATLAS example: its numbers against those known of the file, and its manifest."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import uproot

from reprun.documents.analysis import Analysis, load_analysis
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.runs.lock import enforce_lock
from tests.example_code import EXAMPLES, load_code
from tests.real_data import shared_data

EXAMPLE = EXAMPLES / "atlas-4lep"
RECORD = "opendata-records/atlas-odeo-FEB2025-exactly4lep-data.json"

fourlep = load_code("atlas-4lep", "code/fourlep.py")


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return load_analysis(EXAMPLE)


@pytest.fixture(scope="module")
def events(analysis: Analysis) -> Path:
    (file,) = analysis.datasets["data15"].files
    assert file.mirror_path is not None
    return shared_data() / file.mirror_path


def test_the_first_event_is_the_one_of_the_official_notebook(events: Path) -> None:
    assert fourlep.read(events).mass[0] == pytest.approx(5.603, abs=5e-4)


@pytest.mark.slow
def test_the_selection_gives_its_known_numbers(events: Path) -> None:
    flow = fourlep.cutflow(fourlep.read(events))
    assert flow["four leptons"] == 3_424
    assert flow["no net charge"] == 861
    assert sum(flow[f"no net charge {channel}"] for channel in fourlep.CHANNELS) == 861


@pytest.mark.slow
def test_the_counts_come_out_the_same_event_by_event(events: Path) -> None:
    """Without sums of types: an event is kept if it has two pairs of opposite charge."""
    columns = uproot.open(events)["analysis"].arrays(["lep_type", "lep_charge"]).to_list()
    kept = 0
    for event in columns:
        leptons = list(zip(event["lep_type"], event["lep_charge"], strict=True))
        muons = sum(kind == 13 for kind, _ in leptons)
        kept += muons in (0, 2, 4) and sum(charge for _, charge in leptons) == 0
    assert kept == 861


def test_two_leptons_of_one_direction_have_no_mass() -> None:
    same = np.full((1, 2), 0.7)
    pt = np.array([[30.0, 40.0]])
    assert fourlep.invariant_mass(pt, same, same, pt * math.cosh(0.7))[0] == pytest.approx(
        0, abs=1e-4
    )


def test_events_without_four_leptons_are_refused(tmp_path: Path, events: Path) -> None:
    names = ("type", "charge", "pt", "eta", "phi", "e", "isLooseID", "isLooseIso")
    tree = uproot.open(events)["analysis"]
    few = {f"lep_{name}": tree[f"lep_{name}"].array(entry_stop=3)[:, :3] for name in names}
    with uproot.recreate(tmp_path / "three.root") as file:
        file["analysis"] = few
    with pytest.raises(ValueError, match="without exactly four leptons"):
        fourlep.read(tmp_path / "three.root")


def test_the_manifest_states_the_bytes_and_the_checksum_of_the_portal(
    analysis: Analysis, events: Path
) -> None:
    (file,) = analysis.datasets["data15"].files
    content = events.read_bytes()
    assert (file.size, file.digest, file.adler32) == (
        len(content),
        "sha256:" + hashlib.sha256(content).hexdigest(),
        f"{zlib.adler32(content):08x}",
    )
    (record,) = json.loads((shared_data() / RECORD).read_text())
    (published,) = [one for one in record["files"] if one["uri"] in file.uris]
    assert published["checksum"] == f"adler32:{file.adler32}"
    assert published["size"] == file.size
    assert analysis.datasets["data15"].doi == record["doi"]


def test_the_committed_lock_holds(analysis: Analysis) -> None:
    enforce_lock(select(read_project(EXAMPLE.parents[1]), EXAMPLE.name))

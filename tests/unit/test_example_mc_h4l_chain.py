"""The generator-to-plot example: its conditions, its detector, its pairing, its rules."""

from __future__ import annotations

import importlib
import itertools
import json
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from reprun.conditions.answers import in_force
from reprun.conditions.lumi import read_mask
from reprun.conditions.snapshot import load_snapshot
from reprun.digests import sha256_file
from reprun.documents.analysis import load_analysis
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.runs.lock import enforce_lock
from tests.real_data import shared_data

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "mc-h4l-chain"
SNAPSHOT = ROOT / "conditions" / "toy-detector-2012"
DATABASE = SNAPSHOT / "toy-detector-2012.db"
TAG = "TOY_DETECTOR_2012_V1"
RUN_LISTS = "Cert_190456-208686_8TeV_22Jan2013ReReco_Collisions12_JSON.txt"


def load_code() -> dict[str, ModuleType]:
    """Import the modules of the example by their bare names, as its steps do, and forget them.

    Its histograms need `hist`, which is in the image and not here: the runs test them.
    """
    names = ("chain", "conditions", "smear", "reconstruct", "analyse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # nothing is left in code/
        patch.setattr(sys, "path", [str(EXAMPLE), str(EXAMPLE / "code"), *sys.path])
        patch.setitem(sys.modules, "histograms", ModuleType("histograms"))
        importlib.invalidate_caches()
        found = {name: importlib.import_module(name) for name in (*names, "make_conditions")}
    for name in found:
        del sys.modules[name]
    return found


CODE = load_code()
chain, conditions, smear = CODE["chain"], CODE["conditions"], CODE["smear"]
reconstruct, analyse = CODE["reconstruct"], CODE["analyse"]
make_conditions = CODE["make_conditions"]


def some_events(number: int = 2000, pdg: tuple[int, ...] = (11, -11, 13, -13)) -> Any:
    """Return events with leptons that nobody generated."""
    random = np.random.default_rng(7)
    shape = (number, 4)
    return chain.Events(
        run=random.integers(193834, 203743, number),
        pdg=np.tile(np.array(pdg), (number, 1)),
        pt=random.uniform(2, 100, shape),
        eta=random.uniform(-2.7, 2.7, shape),
        phi=random.uniform(-np.pi, np.pi, shape),
        found=np.ones(shape, dtype=bool),
    )


# -- conditions ----------------------------------------------------------------------------------


def test_the_database_holds_what_its_source_says(tmp_path: Path) -> None:
    """Row by row: the bytes of a database depend on the version of SQLite that writes it."""
    make_conditions.write_database(tmp_path / "again.db")
    dumps = []
    for path in (tmp_path / "again.db", DATABASE):
        database = sqlite3.connect(path)
        dumps.append(list(database.iterdump()))
        database.close()
    assert dumps[0] == dumps[1]
    (file,) = load_snapshot(SNAPSHOT).files
    assert (file.size, file.digest) == (DATABASE.stat().st_size, sha256_file(DATABASE))


@pytest.mark.parametrize("record", ["ElectronResolutionRcd", "MuonEfficiencyRcd"])
def test_the_example_and_reprun_find_the_same_payload_for_a_run(record: str) -> None:
    """Two readers, written apart, of one database."""
    opened = conditions.Conditions(DATABASE, TAG)
    snapshot = load_snapshot(SNAPSHOT)
    runs = np.array([193834, 198048, 198049, 200999, 201000, 203742])
    intervals, index = opened.by_run(record, runs)
    for run, place in zip(runs.tolist(), index.tolist(), strict=True):
        (row,) = in_force(snapshot, {DATABASE.name: DATABASE}, run, 0, record)
        assert row["since"] == str(intervals[place].first)
        payload = json.dumps(intervals[place].payload, sort_keys=True).encode()
        kind = "ToyResolution" if "Resolution" in record else "ToyEfficiency"
        assert row["payload"] == conditions.payload_name(kind, payload)


@pytest.mark.parametrize("run", [193833, 203743])
def test_a_run_without_conditions_is_refused(run: int) -> None:
    opened = conditions.Conditions(DATABASE, TAG)
    with pytest.raises(LookupError, match=f"no interval of MuonResolutionRcd covers run {run}"):
        opened.by_run("MuonResolutionRcd", np.array([200000, run]))


def test_a_record_that_the_global_tag_lacks_is_refused() -> None:
    with pytest.raises(LookupError, match="has 0 tags for MuonResolution, not 1"):
        conditions.Conditions(DATABASE, TAG).intervals("MuonResolution")


def test_a_payload_that_is_not_its_name_is_refused(tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.db"
    spoiled.write_bytes(DATABASE.read_bytes())
    database = sqlite3.connect(spoiled)
    database.execute("UPDATE PAYLOAD SET DATA = CAST(replace(DATA, '0.034', '0.035') AS BLOB)")
    database.commit()
    database.close()
    with pytest.raises(ValueError, match="is not what its name"):
        conditions.Conditions(spoiled, TAG).intervals("ElectronResolutionRcd")


def test_the_eras_hold_the_validated_blocks_that_are_stated() -> None:
    mask = read_mask(shared_data() / "cms-validated-runs" / RUN_LISTS)
    for first, last, blocks in chain.ERAS.values():
        runs = {run: ranges for run, ranges in mask.runs.items() if first <= run <= last}
        assert (min(runs), max(runs)) == (first, last)
        assert sum(b - a + 1 for ranges in runs.values() for a, b in ranges) == blocks


# -- detector ------------------------------------------------------------------------------------


def test_the_detector_has_the_resolution_and_efficiency_of_the_run() -> None:
    events = some_events(40_000)
    opened = conditions.Conditions(DATABASE, TAG)
    measured = smear.smear(events, opened, "zz", 1)
    electron, muon = np.abs(events.pdg) == 11, np.abs(events.pdg) == 13
    # By make_conditions.py: the calorimeter's barrel in the first and in the last interval.
    for run, constant, noise in ((195000, 0.012, 0.25), (202000, 0.015, 0.30)):
        era = np.abs(events.run - run) < 900
        barrel = electron & era[:, None] & (np.abs(events.eta) < 1.479) & measured.found
        energy = (events.pt * np.cosh(events.eta))[barrel]
        sigma = np.sqrt(0.05**2 / energy + (noise / energy) ** 2 + constant**2)
        pulls = (measured.pt[barrel] / events.pt[barrel] - 1) / sigma
        assert np.mean(pulls) == pytest.approx(0, abs=5 / np.sqrt(len(pulls)))
        assert np.std(pulls) == pytest.approx(1, abs=5 / np.sqrt(2 * len(pulls)))
    plateau = muon & (np.abs(events.eta) < 0.9) & (events.pt > 20)
    share = measured.found[plateau].mean()
    assert share == pytest.approx(0.97, abs=5 * np.sqrt(0.97 * 0.03 / plateau.sum()))
    assert not measured.found[muon & (np.abs(events.eta) > 2.4)].any()


def test_the_first_events_of_a_longer_sample_are_those_of_a_shorter() -> None:
    opened = conditions.Conditions(DATABASE, TAG)
    long, short = some_events(500), some_events(500)
    short = chain.Events(**{name: values[:100] for name, values in vars(short).items()})
    first = smear.smear(long, opened, "higgs", 1)
    second = smear.smear(short, opened, "higgs", 1)
    assert all(np.array_equal(getattr(first, n)[:100], getattr(second, n)) for n in vars(second))


def test_other_seeds_and_processes_have_numbers_of_their_own() -> None:
    draws = [
        chain.random_numbers(step, process, seed).random()
        for step, process, seed in itertools.product(
            ("runs", "resolution", "efficiency"), chain.PROCESSES, (1, 2, 3)
        )
    ]
    assert len(set(draws)) == len(draws) == 18


def test_equal_events_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        chain.write_events(tmp_path / f"{name}.npz", some_events(10))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = chain.read_events(tmp_path / "a.npz")
    assert np.array_equal(back.pt, some_events(10).pt)


# -- reconstruction and selection ----------------------------------------------------------------


def mass_of(events: Any, event: int, leptons: tuple[int, ...]) -> float:
    """Return an invariant mass from pt, eta and phi alone, one lepton after the other."""
    total = np.zeros(4)
    for one in leptons:
        pt, eta, phi = (float(getattr(events, n)[event, one]) for n in ("pt", "eta", "phi"))
        mass = 0.105658 if abs(events.pdg[event, one]) == 13 else 0.000511
        momentum = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        total += np.array([np.sqrt(momentum @ momentum + mass**2), *momentum])
    return float(np.sqrt(max(0.0, total[0] ** 2 - total[1:] @ total[1:])))


@pytest.mark.parametrize(
    ("pdg", "pairs"),
    [((11, -11, 13, -13), 1), ((13, 13, -13, -13), 2), ((11, -11, 11, -11), 2)],
)
def test_pairing_finds_what_trying_all_pairs_finds(pdg: tuple[int, ...], pairs: int) -> None:
    events = some_events(50, pdg)
    found = reconstruct.pair(events)
    for event in range(len(events)):
        choices = []
        for one in itertools.combinations(range(4), 2):
            other = tuple(n for n in range(4) if n not in one)
            if pdg[one[0]] == -pdg[one[1]] and pdg[other[0]] == -pdg[other[1]]:
                choices.append((mass_of(events, event, one), mass_of(events, event, other)))
        assert len(choices) == 2 * pairs
        z1, z2 = min(choices, key=lambda masses: abs(masses[0] - 91.188))
        assert found["mZ1"][event] == pytest.approx(z1, rel=1e-9)
        assert found["mZ2"][event] == pytest.approx(z2, rel=1e-9)
        whole = mass_of(events, event, (0, 1, 2, 3))
        assert found["m4l"][event] == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("pdg", [(11, 11, 13, -13), (11, -13, 13, 13), (13, 13, 13, -13)])
def test_leptons_that_make_no_two_pairs_are_no_candidate(pdg: tuple[int, ...]) -> None:
    events = some_events(50, pdg)
    assert np.isnan(reconstruct.pair(events)["mZ1"]).all()
    found = reconstruct.reconstruct(events)
    assert len(found["m4l"]) == 0
    assert found["steps"][-1].sum() == 0
    assert found["steps"][0].sum() == 50


def test_the_cut_flow_only_falls_and_every_cut_is_made() -> None:
    candidates = reconstruct.reconstruct(some_events(5000))
    passed, flow = analyse.select(candidates)
    numbers = [int(left.sum()) for left in flow.values()]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == 5000
    assert numbers[-1] == passed.sum() > 0
    kept = {name: values[passed] for name, values in candidates.items() if name != "steps"}
    assert kept["leading"].min() > 20
    assert kept["subleading"].min() > 10
    assert 40 < kept["mZ1"].min() < kept["mZ1"].max() < 120
    assert 12 < kept["mZ2"].min() < kept["mZ2"].max() < 120
    assert kept["m4l"].min() > 100


# -- what it says of itself ----------------------------------------------------------------------


def test_every_step_is_compared_and_the_committed_lock_holds() -> None:
    analysis = load_analysis(EXAMPLE)
    stems = [Path(path).stem for path in analysis.outputs.histograms]
    assert stems == ["generated_higgs", "generated_zz", "smeared", "reconstructed", "analysis"]
    assert {rule.kind for rule in analysis.compare} == {"sampled"}
    assert "yield" not in analysis.compare[0].tests
    enforce_lock(select(read_project(EXAMPLE.parents[1]), EXAMPLE.name))


def test_the_reference_holds_one_entry_an_event() -> None:
    """Else the bins of a histogram would not be independent, as its tests take them to be."""
    document = json.loads((EXAMPLE / "reference" / "histograms.json").read_text())
    generated = {"higgs": 10_000, "zz": 20_000}
    for name, histogram in document.items():
        process = "higgs" if "higgs" in name else "zz"
        if "values" in histogram["storage"] and histogram["storage"]["type"] != "weighted":
            total = sum(histogram["storage"]["values"])
            assert total <= generated[process], name
            assert (total == generated[process]) == (
                name.startswith("generated") or name.endswith("/leptons")
            ), name

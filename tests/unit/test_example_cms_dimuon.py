"""The dimuon example: its numbers against those known of the files, its manifests, its model."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from reprun.documents.analysis import Analysis, load_analysis, tier_of
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.histograms import Histogram, read_all
from reprun.runs.lock import enforce_lock
from tests.example_code import EXAMPLES, load_code
from tests.real_data import shared_data

pytestmark = pytest.mark.slow

EXAMPLE = EXAMPLES / "cms-dimuon"
NANOAOD = "Run2012BC_DoubleMuParked_Muons_first100k.root"
CSV = "MuRun2010B_0.csv"

dimuon = load_code("cms-dimuon", "code/columnar/dimuon.py")
zpeak = load_code("cms-dimuon", "code/columnar/zpeak.py")


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return load_analysis(EXAMPLE)


def data(name: str) -> Path:
    return shared_data() / "cms-dimuon" / name


def cutflow_of(dataset: str, name: str, limit: int | None = None) -> dict[str, int]:
    flow: dict[str, int] = dimuon.new_cutflow()
    _, chunks = dimuon.READERS[dataset](data(name), lambda total: limit or total)
    for pairs in chunks:
        dimuon.count(flow, pairs)
    return flow


def test_the_nanoaod_file_gives_its_known_numbers() -> None:
    flow = cutflow_of("nanoaod", NANOAOD)
    assert flow["events"] == 100_000
    assert flow["two muons"] == 48_976
    assert flow["opposite sign"] == 37_183
    assert flow["opposite sign, 81-101 GeV"] == 6_846
    assert flow["opposite sign, 2.9-3.3 GeV"] == 3_628


def test_the_csv_file_gives_its_known_numbers() -> None:
    flow = cutflow_of("csv", CSV)
    assert flow["events"] == 10_000
    assert flow["opposite sign"] == 6_258
    assert flow["opposite sign, 2.9-3.3 GeV"] == 1_035
    assert flow["opposite sign, 2.9-3.3 GeV"] + flow["same sign, 2.9-3.3 GeV"] == 1_224
    assert flow["opposite sign, 81-101 GeV"] + flow["same sign, 81-101 GeV"] == 27


def test_the_length_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cutflow_of("nanoaod", NANOAOD, 10_000), cutflow_of("csv", CSV, 2_500)
    monkeypatch.setattr(dimuon, "CHUNK", 999)
    assert (cutflow_of("nanoaod", NANOAOD, 10_000), cutflow_of("csv", CSV, 2_500)) == whole
    assert (whole[0]["events"], whole[1]["events"]) == (10_000, 2_500)


def test_masses_of_the_csv_file_are_the_recorded_ones() -> None:
    with data(CSV).open(encoding="utf-8", newline="") as table:
        recorded = [float(row["M"]) for row in csv.DictReader(table)]
    _, chunks = dimuon.read_csv(data(CSV), lambda total: total)
    masses = np.concatenate([pairs.mass for pairs in chunks])
    assert np.abs(masses - recorded).max() == pytest.approx(6e-4, abs=1e-5)


def test_a_csv_file_with_another_mass_is_refused(tmp_path: Path) -> None:
    with data(CSV).open(encoding="utf-8") as table:
        lines = list(itertools.islice(table, 3))
    assert "px1 ," in lines[0]
    cells = lines[2].rstrip("\n").split(",")
    (tmp_path / CSV).write_text(lines[0] + lines[1] + ",".join([*cells[:-1], "4.1"]) + "\n")
    _, chunks = dimuon.read_csv(tmp_path / CSV, lambda total: total)
    with pytest.raises(ValueError, match=r"a recorded mass is 4\.1 GeV"):
        next(chunks)


@pytest.mark.parametrize(
    ("max_events", "fraction", "expected"),
    [(0, 1.0, 101), (10, 1.0, 10), (500, 1.0, 101), (0, 0.5, 51), (10, 0.5, 10), (60, 0.5, 51)],
)
def test_a_part_of_the_events(max_events: int, fraction: float, expected: int) -> None:
    assert dimuon.wanted(101, max_events, fraction) == expected


def test_a_pair_back_to_back_has_twice_the_energy() -> None:
    pt, phi = np.full((1, 2), 45.0), np.array([[0.0, np.pi]])
    energy = np.hypot(45.0, dimuon.MUON_MASS)
    mass = dimuon.invariant_mass(pt, np.zeros((1, 2)), phi, dimuon.MUON_MASS)
    assert mass[0] == pytest.approx(2 * energy, rel=1e-12)


def test_the_two_variants_state_the_same_constants() -> None:
    """What both must agree on and each states in its own language."""
    fill = (EXAMPLE / "code/root/fill.C").read_text()
    header = (EXAMPLE / "code/root/zpeak.h").read_text()
    assert f"kMuonMass = {dimuon.MUON_MASS!r};" in fill
    for name, (bins, low, high) in dimuon.ZOOMS.items():
        stated = re.search(rf'"{name}", title, (\d+), ([\d.]+), ([\d.]+)', fill)
        assert stated is not None
        assert (int(stated[1]), float(stated[2]), float(stated[3])) == (bins, low, high)
    for name, (low, high) in dimuon.WINDOWS.items():
        assert re.search(rf'"{name}", {{{low:g}\.?, {high:g}\.?}}', fill)
    assert f"kZWidth = {zpeak.Z_WIDTH!r};" in header
    assert f"kLow = {zpeak.LOW:g}., kHigh = {zpeak.HIGH:g}.;" in header
    assert all(f'"{name}"' in header for name in zpeak.start(1.0))


def test_the_smeared_peak_is_a_density_and_narrow_for_no_smearing() -> None:
    inside, _ = quad(lambda x: float(zpeak.voigt(np.array(x), 1.5)), -5000, 5000, points=[0])
    assert inside == pytest.approx(1.0, abs=2e-4)  # the tails of a Breit-Wigner are long
    gamma = zpeak.Z_WIDTH
    x = np.array([0.0, 1.0, 5.0])
    breit_wigner = gamma / (2 * np.pi) / (x**2 + gamma**2 / 4)
    assert zpeak.voigt(x, 1e-3) == pytest.approx(breit_wigner, rel=1e-6)


def test_the_deviance_is_zero_only_where_counts_are_as_expected() -> None:
    counts = np.array([0.0, 3.0, 7.0])
    assert zpeak.deviance(counts, np.array([1e-300, 3.0, 7.0])) == pytest.approx(0.0, abs=1e-12)
    by_hand = 2 * (1 + (2 - 3 + 3 * np.log(3 / 2)) + (8 - 7 + 7 * np.log(7 / 8)))
    assert zpeak.deviance(counts, np.array([1.0, 2.0, 8.0])) == pytest.approx(by_hand)


def test_the_fitted_values_are_a_minimum_near_the_z() -> None:
    """The blessed fit, looked at again without iminuit: every step away makes it worse."""
    reference = EXAMPLE / "reference"
    fitted = zpeak.read(reference / "zpeak.csv", reference / "zpeak_errors.csv")
    assert fitted.keys() == zpeak.start(1.0).keys()
    peak = read_all([reference / "histograms.json"], reference)["opposite/z"]
    assert isinstance(peak, Histogram)
    edges = peak.axes[0].edges
    inside = (edges[:-1] >= zpeak.LOW) & (edges[1:] <= zpeak.HIGH)
    counts, centres = peak.values[1:-1][inside], (edges[1:] + edges[:-1])[inside] / 2
    assert counts.sum() == 6_846

    def deviance(parameters: list[float]) -> float:
        found: float = zpeak.deviance(counts, 0.25 * zpeak.density(centres, parameters))
        return found

    best = [value for value, _ in fitted.values()]
    for index, (value, error) in enumerate(fitted.values()):
        for side in (-1, 1):
            moved = [*best[:index], value + side * error / 10, *best[index + 1 :]]
            # One standard deviation of one parameter costs 1 at the least: the others stay.
            assert deviance(moved) - deviance(best) > 0.0099
    # 91.188 GeV, lowered by photons that muons radiate and by the raw momentum scale.
    assert 90.5 < fitted["peak [GeV]"][0] < 91.2


@pytest.mark.parametrize("dataset", ["nanoaod", "csv"])
def test_the_manifests_state_the_bytes(analysis: Analysis, dataset: str) -> None:
    (file,) = analysis.datasets[dataset].files
    assert file.mirror_path is not None
    content = (shared_data() / file.mirror_path).read_bytes()
    assert (file.size, file.digest, file.adler32) == (
        len(content),
        "sha256:" + hashlib.sha256(content).hexdigest(),
        f"{zlib.adler32(content):08x}",
    )
    assert file.uris
    for snakefile in ("Snakefile", "root.smk"):
        assert f'"{dataset}": "{file.path}"' in (EXAMPLE / snakefile).read_text()


def test_each_dataset_and_the_tier_have_a_reference_of_their_own(analysis: Analysis) -> None:
    tier = tier_of(10_000, None)
    for directory in (
        analysis.reference_of("nanoaod"),
        analysis.reference_of("csv"),
        analysis.reference_of("nanoaod", tier),
    ):
        assert (EXAMPLE / directory / "blessed.json").is_file()
        with (EXAMPLE / directory / "cutflow.csv").open(encoding="utf-8", newline="") as table:
            flow = {row["cut"]: int(row["events"]) for row in csv.DictReader(table)}
        assert flow["two muons"] == flow["opposite sign"] + flow["same sign"]


def test_the_committed_lock_holds(analysis: Analysis) -> None:
    enforce_lock(select(read_project(EXAMPLE.parents[1]), EXAMPLE.name))

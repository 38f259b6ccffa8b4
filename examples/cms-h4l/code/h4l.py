"""What all steps share: channels, samples and binning, and how the inputs are read.

Histograms are NumPy arrays of 39 numbers here: underflow, 37 bins of 3 GeV from 70 to
181 GeV, overflow. Only NumPy and uproot are needed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import uproot

Counts = npt.NDArray[np.float64]
Category = tuple[str, int]
"""Channel and year."""
Template = tuple[str, str, int]
"""Sample, channel and year."""
Templates = dict[Template, Counts]

BINS, LOW, HIGH = 37, 70.0, 181.0

CHANNELS = ("4mu", "2e2mu", "4e")
YEARS = (2011, 2012)
CATEGORIES: tuple[Category, ...] = tuple((c, y) for c in CHANNELS for y in YEARS)

# The processes in the order of the stack, and the simulated samples each is made of.
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "zx": ("DY50TuneZ", "DY10"),
    "ttbar": ("TTBar",),
    "zz": ("ZZ4mu", "ZZ4e", "ZZ2mu2e"),
    "higgs": ("HZZ",),
}
# Each ZZ sample was generated for one final state and stands for that channel only.
OWN_CHANNEL: Mapping[str, str] = {"ZZ4mu": "4mu", "ZZ4e": "4e", "ZZ2mu2e": "2e2mu"}
TEMPLATES: tuple[Template, ...] = tuple(
    (sample, channel, year)
    for samples in PROCESSES.values()
    for sample in samples
    for channel, year in CATEGORIES
    if OWN_CHANNEL.get(sample, channel) == channel
)

# In the histogram files of record 5500.
DATA_FILE: Mapping[str, str] = {"4mu": "DoubleMu", "2e2mu": "DoubleMu", "4e": "DoubleE"}
OBJECT: Mapping[str, str] = {"4mu": "mass4mu", "2e2mu": "mass2mu2e", "4e": "mass4e"}


def name(channel: str, year: int) -> str:
    """Return how a channel of one year is called in every output: `4mu_2012`."""
    return f"{channel}_{year}"


def fill(masses: Iterable[float], bins: int = BINS, low: float = LOW, high: float = HIGH) -> Counts:
    """Count masses (GeV) in equal bins, closed below and open above as in ROOT, with flow bins."""
    edges = np.linspace(low, high, bins + 1)
    index = np.searchsorted(edges, np.asarray(list(masses), dtype=float), side="right")
    return np.bincount(index, minlength=bins + 2).astype(float)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a text table whose comment lines start with `#`."""
    with path.open(encoding="utf-8", newline="") as table:
        yield from csv.DictReader(line for line in table if not line.startswith("#"))


def read_candidates(path: Path) -> dict[Category, list[float]]:
    """Return the four-lepton masses of the embedded table by channel and year."""
    masses: dict[Category, list[float]] = {category: [] for category in CATEGORIES}
    for row in rows(path):
        masses[row["channel"], int(row["year"])].append(float(row["m4l"]))
    return masses


def read_event_files(directory: Path) -> dict[Category, list[float]]:
    """Return the four-lepton masses of the six event files of record 5200."""
    return {
        (channel, year): [float(row["M"]) for row in rows(directory / f"{channel}_{year}.csv")]
        for channel, year in CATEGORIES
    }


def read_templates(path: Path) -> Templates:
    """Return the simulated event counts of the embedded table; every bin must be there once."""
    found: dict[Template, dict[int, float]] = {}
    for row in rows(path):
        key = (row["sample"], row["channel"], int(row["year"]))
        bins = found.setdefault(key, {})
        if int(row["bin"]) in bins:
            raise ValueError(f"{path.name}: bin {row['bin']} of {key} stands twice")
        bins[int(row["bin"])] = float(row["content"])
    for key in TEMPLATES:
        if sorted(found.get(key, {})) != list(range(BINS + 2)):
            raise ValueError(f"{path.name}: {key} does not have the bins 0 to {BINS + 1}")
    return {key: np.array([found[key][n] for n in range(BINS + 2)]) for key in TEMPLATES}


def read_histogram(
    directory: Path, sample: str, channel: str, year: int, binning: str = "8TeV_low"
) -> tuple[Counts, tuple[int, float, float]]:
    """Return contents with flow bins and (bins, low, high) of one histogram of record 5500."""
    with uproot.open(directory / f"{sample}{year % 100}.root") as file:
        histogram = file[f"demo/{OBJECT[channel]}_{binning}"]
        axis = histogram.member("fXaxis")
        shape = (axis.member("fNbins"), axis.member("fXmin"), axis.member("fXmax"))
        return np.asarray(histogram.values(flow=True), dtype=float), shape


def read_template_files(directory: Path) -> Templates:
    """Return the simulated event counts of the histogram files of record 5500."""
    templates: Templates = {}
    for key in TEMPLATES:
        templates[key], shape = read_histogram(directory, *key)
        if shape != (BINS, LOW, HIGH):
            raise ValueError(f"{key}: the template has the binning {shape}")
    return templates


def read_scales(path: Path) -> dict[tuple[str, int], float]:
    """Return luminosity x cross section x scale factor / generated events of each sample.

    A constant that stands twice is refused.
    """
    constants: dict[tuple[str, str, int], float] = {}
    for row in rows(path):
        key = (row["constant"], row["sample"], int(row["year"]))
        if key in constants:
            raise ValueError(f"{path.name}: {' '.join(map(str, key))} stands twice")
        constants[key] = float(row["value"])
    return {
        (sample, year): constants["luminosity", "all", year]
        * constants["cross_section", sample, year]
        * constants["scale_factor", sample, year]
        / constants["generated_events", sample, year]
        for samples in PROCESSES.values()
        for sample in samples
        for year in YEARS
    }

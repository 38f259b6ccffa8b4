"""What all steps share: channels and years, the candidates' files, and small tables.

Only NumPy is needed.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Category = tuple[str, int]
"""Channel and year."""

CHANNELS = ("4mu", "2e2mu", "4e")
YEARS = (2011, 2012)
CATEGORIES: tuple[Category, ...] = tuple((c, y) for c in CHANNELS for y in YEARS)

REGIONS: Mapping[str, tuple[float, float]] = {
    # The plot, and the histograms "8TeV_low" of record 5500.
    "70-181": (70.0, 181.0),
    # Z -> 4l, after CMS, JHEP 12 (2012) 034, arXiv:1210.3844.
    "Z 80-100": (80.0, 100.0),
    # The three bins of 3 GeV around the Higgs boson.
    "H 121-130": (121.0, 130.0),
    # Those of 2012 have event displays in record 5200.
    "H 120-130": (120.0, 130.0),
}
"""Ranges of the four-lepton mass in GeV, closed below and open above."""


def name(category: Category) -> str:
    """Return how a channel of one year is called in every output: `4mu_2012`."""
    return f"{category[0]}_{category[1]}"


def read_events(directory: Path, category: Category) -> dict[str, Floats]:
    """Return the 41 columns of one file of record 5200 by their names."""
    with (directory / f"{name(category)}.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}


def inside(masses: Floats, region: str) -> int:
    """Count the masses in one of the regions."""
    low, high = REGIONS[region]
    return int(np.count_nonzero((masses >= low) & (masses < high)))


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table, numbers with every digit."""
    with path.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

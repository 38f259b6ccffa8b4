"""Step 3: histograms of the candidates, held against the data histograms of record 5500.

For each category the table has the number of candidates, the entries of the file's histograms of
m(4l) and of the Z masses, and for each histogram the number of bins that differ.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import candidates
import hist
import numpy as np
import uproot
from candidates import Category, Floats

# Double muon data hold 4mu and 2e2mu, double electron data 4e. (They hold other 2e2mu events too,
# which the example does not use.)
DATA_FILE = {"4mu": "DoubleMu", "2e2mu": "DoubleMu", "4e": "DoubleE"}
CHANNEL = {"4mu": "4mu", "2e2mu": "2mu2e", "4e": "4e"}
BINNINGS = {
    "7TeV": (51, 98.0, 608.0),
    "8TeV": (74, 70.0, 810.0),
    "8TeV_low": (37, 70.0, 181.0),
    "full": (300, 0.0, 900.0),
}
Z_BINNING = (120, 0.0, 120.0)
RECOMPUTED = "m4l_directions"


def wanted(category: Category) -> Iterator[tuple[str, str, str, tuple[int, float, float], str]]:
    """Yield name, column of the candidates, object of the file, binning and axis title."""
    channel = CHANNEL[category[0]]
    for binning, shape in BINNINGS.items():
        yield f"m4l_{binning}", "M", f"mass{channel}_{binning}", shape, "m(4l) [GeV]"
    yield "mZ1", "mZ1", f"mZa_{channel}", Z_BINNING, "m(Z1) [GeV]"
    yield "mZ2", "mZ2", f"mZb_{channel}", Z_BINNING, "m(Z2) [GeV]"


def filled(masses: Floats, shape: tuple[int, float, float], title: str) -> hist.Hist:
    """Count masses in bins closed below and open above, with flow bins, as ROOT does."""
    histogram = hist.Hist(hist.axis.Regular(*shape, name="mass", label=title), storage="double")
    histogram.fill(masses)
    return histogram


def held_against(histogram: hist.Hist, expected: uproot.Model) -> tuple[int, int]:
    """Return the entries of the file's histogram and how many bins differ, with flow."""
    axis = expected.member("fXaxis")
    shape = (axis.member("fNbins"), axis.member("fXmin"), axis.member("fXmax"))
    (ours,) = histogram.axes
    if shape != (ours.size, ours.edges[0], ours.edges[-1]):
        raise ValueError(f"{expected.name} has the binning {shape}")
    counts = expected.values(flow=True)
    different = np.count_nonzero(counts != histogram.values(flow=True))
    return int(counts.sum()), int(different)


def read_recomputed(path: Path) -> dict[str, Floats]:
    """Return the recomputed m(4l) by category."""
    masses: dict[str, list[float]] = {}
    with path.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            masses.setdefault(row["category"], []).append(float(row[RECOMPUTED]))
    return {category: np.array(values) for category, values in masses.items()}


def main() -> None:
    """Parse, fill, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path, help="directory of the files of record 5200")
    parser.add_argument("files", type=Path, help="directory of the files of record 5500")
    parser.add_argument("recomputed", type=Path, help="table of recomputed masses")
    parser.add_argument("histograms", type=Path, help="ROOT file to write")
    parser.add_argument("agreement", type=Path, help="table of comparisons to write")
    parser.add_argument("regions", type=Path, help="table of candidates by region to write")
    given = parser.parse_args()

    recomputed = read_recomputed(given.recomputed)
    made: dict[str, hist.Hist] = {}
    agreement: list[list[object]] = []
    regions: dict[str, list[int]] = {}
    for category in candidates.CATEGORIES:
        label = candidates.name(category)
        columns = candidates.read_events(given.events, category)
        file = given.files / f"{DATA_FILE[category[0]]}{category[1] % 100}.root"
        found: dict[str, tuple[int, int]] = {}
        with uproot.open(file) as root:
            for name, column, item, shape, title in wanted(category):
                histogram = filled(columns[column], shape, title)
                made[f"{name}/{label}"] = histogram
                found[name] = held_against(histogram, root[f"demo/{item}"])
        entries = [found[name][0] for name in ("m4l_full", "mZ1")]
        differing = [different for _, different in found.values()]
        agreement.append([label, len(columns["M"]), *entries, *differing])
        shape, title = BINNINGS["8TeV_low"], "m(4l) [GeV]"
        made[f"m4l_recomputed/{label}"] = filled(recomputed[label], shape, title)
        regions[label] = [candidates.inside(columns["M"], r) for r in candidates.REGIONS]
    regions["all"] = np.sum(list(regions.values()), axis=0).tolist()

    with uproot.recreate(given.histograms) as root:
        for name, histogram in made.items():
            root[name] = histogram
    columns_of_bins = (name.removeprefix("m4l_") for name in found)
    header = ("category", "candidates", "in_m4l", "in_Z", *columns_of_bins)
    candidates.write_table(given.agreement, header, agreement)
    rows = [[label, *counts] for label, counts in regions.items()]
    candidates.write_table(given.regions, ("category", *candidates.REGIONS), rows)


if __name__ == "__main__":
    main()

"""Steps 2 and 3: simulation scaled to the luminosity, the stack and the yields."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import h4l
import numpy as np
import rootfile
from rootfile import Histogram

COLUMNS = ("data", "zz", "higgs", "ttbar", "zx")


def normalise(counts: h4l.Counts, scale: float) -> Histogram:
    """Scale simulated events; each has the same weight, so sumw2 = scale^2 x counts.

    The template files store no sumw2: their contents are raw event counts.
    """
    return Histogram(counts * scale, counts * scale**2)


def add(histograms: list[Histogram]) -> Histogram:
    """Add up contents, and sumw2 where there is one."""
    values = np.sum([h.values for h in histograms], axis=0)
    weights = [h.sumw2 for h in histograms if h.sumw2 is not None]
    return Histogram(values, np.sum(weights, axis=0) if weights else None)


def combine(
    counts: Mapping[str, Histogram], scales: Mapping[tuple[str, int], float]
) -> dict[str, Histogram]:
    """Return data and processes by channel and year, and their sums `m4l/<process>`."""
    out = {f"data/{h4l.name(*c)}": counts[f"data/{h4l.name(*c)}"] for c in h4l.CATEGORIES}
    for process, samples in h4l.PROCESSES.items():
        for channel, year in h4l.CATEGORIES:
            category = h4l.name(channel, year)
            out[f"{process}/{category}"] = add(
                [
                    normalise(counts[f"{sample}/{category}"].values, scales[sample, year])
                    for sample in samples
                    if (sample, channel, year) in h4l.TEMPLATES
                ]
            )
    for process in ("data", *h4l.PROCESSES):
        out[f"m4l/{process}"] = add([out[f"{process}/{h4l.name(*c)}"] for c in h4l.CATEGORIES])
    return out


def write_yields(path: Path, histograms: Mapping[str, Histogram]) -> None:
    """Write the sums from 70 to 181 GeV, every digit of them."""
    lines = [",".join(("category", *COLUMNS, "prediction"))]
    categories = [(f"{c} {y}", h4l.name(c, y)) for c, y in h4l.CATEGORIES]
    for label, category in [*categories, ("all", None)]:
        sums = {
            column: float(
                histograms[f"{column}/{category}" if category else f"m4l/{column}"]
                .values[1:-1]
                .sum()
            )
            for column in COLUMNS
        }
        prediction = sum(sums[process] for process in h4l.PROCESSES)
        expected = [repr(sums[column]) for column in COLUMNS[1:]]
        lines.append(",".join([label, str(int(sums["data"])), *expected, repr(prediction)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Parse, combine, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=Path, help="ROOT file of event counts")
    parser.add_argument("normalisation", type=Path, help="table of constants")
    parser.add_argument("histograms", type=Path, help="ROOT file to write")
    parser.add_argument("yields", type=Path, help="table to write")
    given = parser.parse_args()

    scales = h4l.read_scales(given.normalisation)
    histograms = combine(rootfile.read(given.counts), scales)
    rootfile.write(given.histograms, histograms)
    write_yields(given.yields, histograms)


if __name__ == "__main__":
    main()

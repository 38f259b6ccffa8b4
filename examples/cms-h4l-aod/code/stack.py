"""stack.py PUBLISHED HISTOGRAMS YIELDS [COLLISIONS HIGGS]: data and prediction of 2012.

`published/…` comes from the histogram files of the example: candidates of half of 2012 over
scaled simulation. With the files of this chain's own run, `level3/…` is added: the candidates it
found and its simulated Higgs bosons, unscaled.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import hist
import numpy as np
import numpy.typing as npt
import uproot

Counts = npt.NDArray[np.float64]

CHANNELS = {"4mu": "mass4mu", "2e2mu": "mass2mu2e", "4e": "mass4e"}
DATA_FILE = {"4mu": "DoubleMu12", "2e2mu": "DoubleMu12", "4e": "DoubleE12"}
ZZ_FILE = {"4mu": "ZZ4mu12", "2e2mu": "ZZ2mu2e12", "4e": "ZZ4e12"}

# Constants of the example's own macro (Level2/M4Lnormdatall.cc of record 5500), for 2012:
# luminosity in /pb; cross section in pb, scale factor, generated events of each sample.
LUMINOSITY = 11580.0
SAMPLES = {
    "ZZ4mu12": (0.077, 1.386, 1499064),
    "ZZ4e12": (0.077, 1.386, 1499093),
    "ZZ2mu2e12": (0.18, 1.386, 1497445),
    "HZZ12": (0.0065, 1.0, 299973),
}


def counts(path: Path, channel: str) -> Counts:
    """Return one channel's contents, 37 bins of 3 GeV from 70 GeV and two flow bins."""
    with uproot.open(path) as file:
        values = file[f"demo/{CHANNELS[channel]}_8TeV_low"].values(flow=True)
    return np.asarray(values, dtype=float)


def scale(sample: str) -> float:
    """Return luminosity · cross section · scale factor / generated events."""
    cross_section, factor, generated = SAMPLES[sample]
    return LUMINOSITY * cross_section * factor / generated


def histogram(values: Counts, sumw2: Counts | None = None) -> hist.Hist:
    """Return a TH1D; only a scaled one stores sumw2."""
    axis = hist.axis.Regular(37, 70, 181, name="m4l", label="m(4l) [GeV]")
    if sumw2 is None:
        return hist.Hist(axis, storage="double", data=values)
    return hist.Hist(axis, storage="weight", data=np.stack([values, sumw2], axis=-1))


def main() -> None:
    """Read, scale, add, write."""
    published, histograms, yields, *own = map(Path, sys.argv[1:])
    made: dict[str, hist.Hist] = {}
    rows = []
    for channel in CHANNELS:
        data = counts(published / f"{DATA_FILE[channel]}.root", channel)
        made[f"published/data_{channel}"] = histogram(data)
        row = [channel, data[1:-1].sum()]
        for process, sample in (("zz", ZZ_FILE[channel]), ("higgs", "HZZ12")):
            events = counts(published / f"{sample}.root", channel)
            # Every event of a sample has the same weight, so sumw2 = scale² · counts.
            factor = scale(sample)
            made[f"published/{process}_{channel}"] = histogram(events * factor, events * factor**2)
            row.append((events * factor)[1:-1].sum())
        rows.append(row)
    for name, path in zip(("collisions", "higgs"), own, strict=False):
        for channel in CHANNELS:
            made[f"level3/{name}_{channel}"] = histogram(counts(path, channel))
    histograms.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(histograms) as file:
        for name, made_one in made.items():
            file[name] = made_one
    with yields.open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["channel", "data", "zz", "higgs"])
        writer.writerows(rows)
        writer.writerow(["all", *(sum(row[n] for row in rows) for n in (1, 2, 3))])


if __name__ == "__main__":
    main()

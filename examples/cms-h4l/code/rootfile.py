"""Histograms in and out of ROOT files, with hist and uproot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hist
import numpy as np
import uproot
from h4l import BINS, HIGH, LOW, Counts


@dataclass(frozen=True)
class Histogram:
    """Contents with flow bins; `sumw2` is None for plain counts."""

    values: Counts
    sumw2: Counts | None = None

    @property
    def variances(self) -> Counts:
        """Return sumw2, which for plain counts is the counts."""
        return self.values if self.sumw2 is None else self.sumw2


def write(path: Path, histograms: Mapping[str, Histogram]) -> None:
    """Write TH1D under names with directories; only weighted histograms store sumw2."""
    axis = hist.axis.Regular(BINS, LOW, HIGH, name="m4l", label="m(4l) [GeV]")
    with uproot.recreate(path) as file:
        for name, histogram in histograms.items():
            if histogram.sumw2 is None:
                filled = hist.Hist(axis, storage="double", data=histogram.values)
            else:
                contents = np.stack([histogram.values, histogram.sumw2], axis=-1)
                filled = hist.Hist(axis, storage="weight", data=contents)
            file[name] = filled


def read(path: Path) -> dict[str, Histogram]:
    """Read every histogram of a file by its name, without ROOT's cycle numbers."""
    with uproot.open(path) as file:
        return {
            name: Histogram(
                item.values(flow=True), item.variances(flow=True) if item.weighted else None
            )
            for name, item in file.iteritems(cycle=False, filter_classname="TH1D")
        }

"""Histograms of one axis into ROOT files, with hist and uproot, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import hist
import uproot
from chain import Floats


def counts(title: str, bins: tuple[int, float, float], values: Floats) -> hist.Hist:
    """Count values in equal bins, flow bins included."""
    filled = hist.Hist(hist.axis.Regular(*bins, name="x", label=title), storage="double")
    filled.fill(values)
    return filled


def weighted(
    title: str, bins: tuple[int, float, float], values: Floats, weight: float
) -> hist.Hist:
    """Fill values of one weight, with the sum of squared weights."""
    filled = hist.Hist(hist.axis.Regular(*bins, name="x", label=title), storage="weight")
    filled.fill(values, weight=weight)
    return filled


def categories(
    title: str, names: Sequence[str], numbers: Sequence[int], weight: float
) -> hist.Hist:
    """Return weighted numbers of events by name."""
    filled = hist.Hist(hist.axis.StrCategory(names, name="x", label=title), storage="weight")
    for index, number in enumerate(numbers):
        filled[index] = [number * weight, number * weight**2]
    return filled


def write(path: Path, histograms: Mapping[str, hist.Hist]) -> None:
    """Write every histogram under its name, `/` making directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        for name, filled in histograms.items():
            file[name] = filled


def read(path: Path) -> dict[str, hist.Hist]:
    """Read every histogram of a file by its name, without ROOT's cycle numbers."""
    with uproot.open(path) as file:
        return {
            name: item.to_hist()
            for name, item in file.iteritems(cycle=False, filter_classname="TH1*")
        }

"""Tables of objects that are not histograms: made here, or read and looked into."""

from __future__ import annotations

import numpy as np

from reprun.histograms import Axis, Objects, Table
from reprun.histograms.composites import binned_table


def profile(shift: float = 0.0) -> Table:
    fills, mean, spread = np.array([0, 4, 9, 0.0]), np.array([0, 5, 6 + shift, 0]), 4.0
    columns = {"sumw": fills, "sumwy": fills * mean, "sumwy2": fills * (mean**2 + spread)}
    return binned_table("a", "TProfile", (Axis.regular(2, 0.0, 10.0, title="pT [GeV]"),), columns)


def table(objects: Objects, name: str) -> Table:
    found = objects[name]
    assert isinstance(found, Table)
    return found


def column(found: Table, name: str) -> list[float]:
    return [float(value) for value in found.values[:, found.columns.index(name)]]

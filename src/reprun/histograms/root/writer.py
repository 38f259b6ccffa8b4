"""Histograms written to a ROOT file, with uproot: any ROOT reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from reprun.errors import StorageError
from reprun.files import replacing
from reprun.histograms.model import Axis, Histogram

TYPES = {
    "int8": "i1",
    "int16": ">i2",
    "int32": ">i4",
    "int64": ">f8",
    "float32": ">f4",
    "float64": ">f8",
}
"""uproot writes no TH1L: 64-bit counts, which float64 holds up to 2^53, become TH1D."""


def write_root(path: Path, histograms: Iterable[Histogram]) -> None:
    """Write histograms under their names, sub-directories included. Raises StorageError.

    The file appears when it is complete.
    """
    import uproot  # noqa: PLC0415 - see files.read_root

    with replacing(path) as stream, uproot.recreate(stream) as file:
        for one in histograms:
            file[one.name] = _model(uproot.writing.identify, one)


def _model(identify: Any, one: Histogram) -> Any:
    if any(axis.labels is not None for axis in one.axes):
        raise StorageError(f"'{one.name}' has labels, which uproot does not write")
    inner = one.values[tuple(slice(1, -1) for _ in one.axes)]
    variances = one.variances[tuple(slice(1, -1) for _ in one.axes)]
    sums = [float(inner.sum()), float(variances.sum())]
    # ROOT's sums of w x and w x^2 cannot be known from bins: those of the centres stand in.
    centres = [(axis.edges[1:] + axis.edges[:-1]) / 2 for axis in one.axes]
    grids = np.meshgrid(*centres, indexing="ij")
    moments = []
    for index, grid in enumerate(grids):
        moments += [float((inner * grid).sum()), float((inner * grid**2).sum())]
        moments += [float((inner * grid * other).sum()) for other in grids[:index]]
    flat = one.values.T.ravel().astype(TYPES[one.storage])
    sumw2 = np.array([] if one.sumw2 is None else one.sumw2.T.ravel(), dtype=">f8")
    entries = float(one.values.sum()) if one.entries is None else one.entries
    writer = getattr(identify, f"to_TH{len(one.axes)}x")
    axes = [_axis(identify, letter, axis) for letter, axis in zip("xyz", one.axes, strict=False)]
    name = one.name.rpartition("/")[2]
    return writer(name, one.title, flat, entries, *sums, *moments, sumw2, *axes)


def _axis(identify: Any, letter: str, axis: Axis) -> Any:
    edges = np.array([] if axis.kind == "regular" else axis.edges, dtype=">f8")
    ends = float(axis.edges[0]), float(axis.edges[-1])
    return identify.to_TAxis(f"{letter}axis", axis.title, axis.bins, *ends, fXbins=edges)

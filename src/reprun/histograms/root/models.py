"""What uproot decodes of a ROOT file, as the objects that are compared.

A histogram is decoded from its members, not from uproot's `variances`: those return the
contents when no sumw2 is stored, and "none stored" is a fact that must survive.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from reprun.histograms.composites import GRAPH_COLUMNS, binned_table, points_table
from reprun.histograms.model import (
    LARGEST_EXACT_COUNT,
    STORAGE_LETTERS,
    Axis,
    DataObject,
    Floats,
    Histogram,
    Table,
    regular_edges,
)
from reprun.histograms.root.direct import options

HISTOGRAM = re.compile(r"^TH([123])([CSILFD])$")


class UnsupportedError(Exception):
    """This one object cannot be represented; the message says why."""


def from_model(
    name: str, class_name: str, model: Callable[[], Any], most: int
) -> DataObject | None:
    """Return what uproot's model of an object holds, None for a class that is not compared.

    The model is asked for only if it is used. Raises UnsupportedError, also for an object of more
    than `most` bins of which its bytes say nothing, and whatever uproot raises.
    """
    if matched := HISTOGRAM.match(class_name):
        return _histogram(name, matched.group(2), model())
    if class_name in _COMPOSITES:
        return _COMPOSITES[class_name](name, model(), most)
    return None


def _histogram(name: str, letter: str, model: Any) -> Histogram:
    members = model.all_members
    buffered = members.get("fBuffer")
    if buffered is not None and len(buffered) and buffered[0] > 0:
        raise UnsupportedError(
            f"{int(buffered[0])} unflushed fills in its buffer: call BufferEmpty() before Write()"
        )
    rank = int(type(model).__name__.split("_")[1][2])
    contents = _contents(model)
    axes, shape = _axes(members, rank, len(contents))
    values = _array(contents, shape)
    if letter == "L" and np.abs(values).max() >= LARGEST_EXACT_COUNT:
        raise UnsupportedError("counts of 2^53 and more")
    stored = np.asarray(members["fSumw2"])
    return Histogram(
        name=name,
        axes=axes,
        values=values,
        sumw2=_array(stored, shape) if len(stored) else None,
        storage=STORAGE_LETTERS[letter],
        entries=float(members["fEntries"]),
        title=str(members["fTitle"]),
        sums=_sums(members, SUMS[: LENGTHS[rank]]),
        facts=options(float(members["fNormFactor"]), int(members.get("fBinStatErrOpt") or 0)),
    )


SUMS = (
    *("fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2", "fTsumwy", "fTsumwy2", "fTsumwxy"),
    *("fTsumwz", "fTsumwz2", "fTsumwxz", "fTsumwyz"),
)
LENGTHS = {1: 4, 2: 7, 3: 11}
"""How many of them a histogram of so many axes has."""


def _sums(members: Any, names: Iterable[str]) -> tuple[float, ...]:
    return tuple(float(members[name]) for name in names)


def _axes(members: Any, rank: int, cells: int) -> tuple[tuple[Axis, ...], tuple[int, ...]]:
    """Return the axes of an object of so many bins, and its shape with flow."""
    models = [members[f"f{letter}axis"] for letter in "XYZ"[:rank]]
    shape = tuple(int(model.member("fNbins")) + 2 for model in models)
    if math.prod(shape) != cells:
        raise ValueError(f"{cells} numbers for {shape} bins")
    return tuple(map(_axis, models)), shape


ERROR_MODES = {1: "s", 2: "i", 3: "g"}
"""EErrorType of TProfile: the spread, `1/sqrt(N)` for integers, weights as errors."""


def _profile_options(members: Any, rank: int) -> dict[str, str]:
    """Return what of a profile is not as usual: its errors, and which values it took."""
    found = options(float(members["fNormFactor"]), int(members.get("fBinStatErrOpt") or 0))
    if mode := int(members.get("fErrorMode", 0)):
        found["error option"] = ERROR_MODES.get(mode, str(mode))
    letter = "YZT"[rank - 1]
    taken = [float(members[f"f{letter}{end}"]) for end in ("min", "max")]
    if any(taken):
        found["range of values"] = f"{taken[0]!r} to {taken[1]!r}"
    return found


def _profile(name: str, model: Any, most: int) -> Table:
    members = model.all_members
    class_name = type(model).__name__.split("_")[1]
    rank = int(class_name[8]) if len(class_name) > 8 else 1
    contents = _contents(model)
    if len(contents) > most:
        raise UnsupportedError(f"{len(contents):,} bins, of which the file says nothing")
    axes, shape = _axes(members, rank, len(contents))
    fills = members["fBinEntries"], members["fBinSumw2"]
    columns = {"sumw": _array(np.asarray(fills[0]), shape)}
    if len(fills[1]):
        columns["sumw2"] = _array(np.asarray(fills[1]), shape)
    columns["sumwy"] = _array(contents, shape)
    columns["sumwy2"] = _array(np.asarray(members["fSumw2"]), shape)
    wanted = SUMS[: LENGTHS[rank]] if rank > 1 else SUMS[:6]
    more = {2: ("fTsumwz", "fTsumwz2"), 3: ("fTsumwt", "fTsumwt2")}.get(rank, ())
    return binned_table(
        name, class_name, axes, columns,
        entries=float(members["fEntries"]), title=str(members["fTitle"]),
        facts=_profile_options(members, rank),
        sums=_sums(members, (*wanted, *more)),
    )  # fmt: skip


def _graph(name: str, model: Any, most: int) -> Table:
    members = model.all_members
    if len(members["fX"]) > most:
        raise UnsupportedError(f"{len(members['fX']):,} points, of which the file says nothing")
    x, y = (np.asarray(members[one], dtype=np.float64) for one in ("fX", "fY"))
    none = np.zeros(len(x))

    def errors(letter: str) -> list[Any]:
        if f"fE{letter}" in members:
            return [members[f"fE{letter}"]] * 2
        return [members.get(f"fE{letter}{side}", none) for side in ("low", "high")]

    values = np.array([x, y, *errors("X"), *errors("Y")], dtype=np.float64).T
    class_name = model.classname
    return points_table(name, class_name, GRAPH_COLUMNS, values, str(members["fTitle"]))


def _vector(name: str, model: Any, _: int) -> Table:
    """Return a TVectorT: an element a row."""
    values = np.asarray(model.member("fElements"), dtype=np.float64)
    first = int(model.member("fRowLwb"))
    rows = tuple(f"element {first + n}" for n in range(len(values)))
    return Table(name, rows, ("value",), values[:, None], class_name=model.classname)


def _matrix(name: str, model: Any, _: int) -> Table:
    """Return a TMatrixT; of a symmetric one ROOT stores the upper half, row by row."""
    number, columns = int(model.member("fNrows")), int(model.member("fNcols"))
    stored = np.asarray(model.member("fElements"), dtype=np.float64)
    if "Sym" in model.classname:
        full = np.zeros((number, columns))
        full[np.triu_indices(number)] = stored
        full = np.where(np.tri(number, columns, -1, dtype=bool), full.T, full)
    else:
        full = stored.reshape(number, columns)
    rows, low = int(model.member("fRowLwb")), int(model.member("fColLwb"))
    return Table(
        name,
        tuple(f"row {rows + n}" for n in range(number)),
        tuple(f"column {low + n}" for n in range(columns)),
        full,
        class_name=model.classname,
    )


def _parameter(name: str, model: Any, _: int) -> Table:
    """Return a TParameter: one number."""
    value = np.array([[float(model.member("fVal"))]])
    return Table(name, (name,), ("value",), value, class_name=model.classname)


_COMPOSITES: Mapping[str, Callable[[str, Any, int], Table]] = {
    "TProfile": _profile,
    "TProfile2D": _profile,
    "TProfile3D": _profile,
    "TGraph": _graph,
    "TGraphErrors": _graph,
    "TGraphAsymmErrors": _graph,
    **{f"TVectorT<{kind}>": _vector for kind in ("float", "double")},
    **{f"TMatrixT<{kind}>": _matrix for kind in ("float", "double")},
    **{f"TMatrixTSym<{kind}>": _matrix for kind in ("float", "double")},
    **{f"TParameter<{kind}>": _parameter for kind in ("float", "double", "int", "bool")},
}


def _contents(model: Any) -> Any:
    """Return the flat array of a TH1x: its base class TArrayx."""
    import uproot  # noqa: PLC0415 - 0.2 s that most files need not pay

    (array,) = model.base(uproot.models.TArray.Model_TArray)
    return np.asarray(array)


def _array(flat: Any, shape: tuple[int, ...]) -> Floats:
    """Shape ROOT's flat array, in which x runs fastest, to (nx + 2, ny + 2, nz + 2)."""
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} numbers for {shape} bins")
    return np.asarray(flat.reshape(shape[::-1]).T, dtype=np.float64)


def _axis(model: Any) -> Axis:
    bins = int(model.member("fNbins"))
    lower, upper = float(model.member("fXmin")), float(model.member("fXmax"))
    stored = np.asarray(model.member("fXbins"), dtype=np.float64)
    title = str(model.member("fTitle"))
    labels = _labels(model.member("fLabels", none_if_missing=True), bins)
    if len(stored):
        return Axis(stored, "variable", labels, title)
    if not lower < upper:
        raise UnsupportedError(f"an axis from {lower:g} to {upper:g}")
    return Axis(regular_edges(bins, lower, upper), "regular", labels, title)


def _labels(stored: Any, bins: int) -> tuple[str, ...] | None:
    """Return one label a bin: ROOT keeps the bin number of each in its fUniqueID."""
    if not stored:
        return None
    labels = [""] * bins
    for position, label in enumerate(stored, start=1):
        place = _unique_id(label) or position
        if 1 <= place <= bins:
            labels[place - 1] = str(label)
    return tuple(labels)


def _unique_id(label: Any) -> int:
    return next((int(base.member("@fUniqueID")) for base in label.bases), 0)

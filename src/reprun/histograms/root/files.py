"""ROOT files: histograms by the direct decoder, everything that it does not know by uproot.

A histogram is decoded from its members, not from uproot's `variances`: those return the
contents when no sumw2 is stored, and "none stored" is a fact that must survive.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from reprun.bounded import limits
from reprun.errors import OutputMissingError
from reprun.histograms.composites import GRAPH_COLUMNS, binned_table, points_table
from reprun.histograms.model import (
    LARGEST_EXACT_COUNT,
    STORAGE_LETTERS,
    Axis,
    DataObject,
    Floats,
    Histogram,
    Objects,
    Table,
    regular_edges,
)
from reprun.histograms.root.direct import decoded, efficiency
from reprun.histograms.root.keys import (
    BrokenError,
    ForeignError,
    Key,
    newest_keys,
    object_bytes,
    streamers,
)
from reprun.wording import shortened, size_of

_HISTOGRAM = re.compile(r"^TH([123])([CSILFD])$")
T = TypeVar("T")
EFFICIENCY = "TEfficiency"
_PHYSICS = re.compile(r"^(TH|TProfile|TEfficiency|TGraph|TMultiGraph|TSpline|TF[123]$|TRatio)")
"""Classes that hold results: what of them cannot be compared is reported, object by object."""


class _UnsupportedError(Exception):
    """This one object cannot be represented; the message says why."""


def read_root(path: Path) -> Objects:
    """Read every histogram of a ROOT file, in sub-directories too, by its path in the file.

    Of several cycles of one name the newest counts, as in ROOT. Raises OutputMissingError if
    the file or an object in it cannot be read.
    """
    source = open_root(path)
    found = source.only(source.names)
    return Objects(found.by_name, found.unsupported, source.skipped)


def open_root(path: Path) -> RootSource:
    """Return what a ROOT file holds, decoded object by object when it is asked for.

    So files of any number of objects take little memory. Raises OutputMissingError if the
    file cannot be read; reading an object later raises it too.
    """
    with _mapped(path) as data:
        try:
            keys = newest_keys(data)
        except BrokenError as error:
            raise _unreadable(path, "", str(error)) from error
        size = len(data)
    readable: dict[str, Key] = {}
    unsupported: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name, key in keys.items():
        class_name = key.class_name
        if _HISTOGRAM.match(class_name) or class_name in _COMPOSITES or class_name == EFFICIENCY:
            readable[name] = key
        elif _PHYSICS.match(class_name):
            unsupported[name] = class_name
        elif not class_name.startswith("TDirectory"):
            skipped[name] = class_name
    whole = sum(key.length for key in readable.values())
    if whole > limits.FREE_FILE.value + limits.FILE_RATIO * size:
        raise _unreadable(
            path, "", f"it has {size_of(whole)} once decompressed, of {size_of(size)} on disk"
        )
    return RootSource(path, readable, unsupported, skipped)


def check_root(path: Path) -> None:
    """Raise OutputMissingError for a ROOT file that uproot would not read within the limits.

    What a tree keeps beside its own object, its baskets, is not looked at.
    """
    with _mapped(path) as data:
        try:
            for key in newest_keys(data).values():
                if not key.class_name.startswith("TDirectory"):
                    object_bytes(data, key)
        except BrokenError as error:
            raise _unreadable(path, "", str(error)) from error
        _check_streamers(path, data)


@dataclass(frozen=True, slots=True)
class RootSource:
    """The objects of one ROOT file by name, not yet decoded."""

    path: Path
    keys: Mapping[str, Key]
    unsupported: Mapping[str, str]
    skipped: Mapping[str, str]

    @property
    def names(self) -> Collection[str]:
        """The names of all results, those included that cannot be read."""
        return {**self.keys, **self.unsupported}.keys()

    def only(self, names: Iterable[str]) -> Objects:
        """Decode the objects of some names; raises OutputMissingError for broken ones."""
        found: dict[str, DataObject] = {}
        unsupported: dict[str, str] = {}
        rest: dict[str, Key] = {}
        with _mapped(self.path) as data:
            for name in names:
                if name in self.unsupported:
                    unsupported[name] = self.unsupported[name]
                elif (key := self.keys.get(name)) is not None:
                    try:
                        thing = _directly(name, key, data)
                    except BrokenError as error:
                        raise _unreadable(self.path, name, str(error)) from error
                    if thing is None:
                        rest[name] = key
                    else:
                        found[name] = thing
            if rest:
                _check_streamers(self.path, data)
        if rest:
            left = _by_uproot(self.path, rest)
            found |= left.by_name
            unsupported |= left.unsupported
        return Objects(found, unsupported)

    def taking(self, names: Mapping[str, str]) -> RootSource:
        """Return the objects of some names under new ones; `names` maps new to old."""

        def moved(mapping: Mapping[str, T]) -> dict[str, T]:
            return {new: mapping[old] for new, old in names.items() if old in mapping}

        return RootSource(self.path, moved(self.keys), moved(self.unsupported), moved(self.skipped))


def _directly(name: str, key: Key, data: mmap.mmap) -> DataObject | None:
    """Return what the direct decoder makes of an object, None if it does not know it.

    Raises BrokenError for an object whose bytes no reader may go on with, uproot included.
    """
    unpacked = object_bytes(data, key)
    try:
        if _HISTOGRAM.match(key.class_name):
            return decoded(name, key.class_name, unpacked)
        if key.class_name == EFFICIENCY:
            return efficiency(name, unpacked, limits.FREE_CELLS.value + key.size)
    except ForeignError:
        return None
    return None


def _check_streamers(path: Path, data: mmap.mmap) -> None:
    """Refuse descriptions of classes that uproot would decompress without a limit."""
    try:
        if (key := streamers(data)) is not None:
            object_bytes(data, key)
    except BrokenError as error:
        raise _unreadable(path, "", f"descriptions of classes: {error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """Yield the bytes of a file."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
        yield data


def _unreadable(path: Path, name: str, what: str) -> OutputMissingError:
    where = f", object '{name}'" if name else ""
    return OutputMissingError(
        f"{path.name} is not a readable ROOT file{where}: {shortened(what)}", place=str(path)
    )


def _by_uproot(path: Path, wanted: Mapping[str, Key]) -> Objects:
    """Read some objects whose bytes the direct reader has seen, and does not know."""
    import uproot  # noqa: PLC0415 - 0.2 s that most files need not pay

    found: dict[str, DataObject] = {}
    unsupported: dict[str, str] = {}
    name = ""
    try:
        with uproot.open(path) as file:
            for name, key in wanted.items():
                class_name = key.class_name
                matched = _HISTOGRAM.match(class_name)
                place = f"{key.path};{key.cycle}"
                try:
                    if matched:
                        found[name] = _histogram(name, matched.group(2), file[place])
                    elif class_name in _COMPOSITES:
                        most = limits.FREE_CELLS.value + key.size
                        found[name] = _COMPOSITES[class_name](name, file[place], most)
                    else:
                        unsupported[name] = class_name
                except _UnsupportedError as reason:
                    unsupported[name] = f"{class_name}: {reason}"
    # Broken bytes lead uproot into whatever they decode to: zlib.error, struct.error,
    # IndexError, KeyError, AssertionError and more. All of them mean the same to the user.
    except Exception as error:
        raise _unreadable(path, name, _first_line(error)) from error
    return Objects(found, unsupported)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _histogram(name: str, letter: str, model: Any) -> Histogram:
    members = model.all_members
    buffered = members.get("fBuffer")
    if buffered is not None and len(buffered) and buffered[0] > 0:
        raise _UnsupportedError(
            f"{int(buffered[0])} unflushed fills in its buffer: call BufferEmpty() before Write()"
        )
    rank = int(type(model).__name__.split("_")[1][2])
    contents = _contents(model)
    axes, shape = _axes(members, rank, len(contents))
    values = _array(contents, shape)
    if letter == "L" and np.abs(values).max() >= LARGEST_EXACT_COUNT:
        raise _UnsupportedError("counts of 2^53 and more")
    stored = np.asarray(members["fSumw2"])
    return Histogram(
        name=name,
        axes=axes,
        values=values,
        sumw2=_array(stored, shape) if len(stored) else None,
        storage=STORAGE_LETTERS[letter],
        entries=float(members["fEntries"]),
        title=str(members["fTitle"]),
    )


def _axes(members: Any, rank: int, cells: int) -> tuple[tuple[Axis, ...], tuple[int, ...]]:
    """Return the axes of an object of so many bins, and its shape with flow."""
    models = [members[f"f{letter}axis"] for letter in "XYZ"[:rank]]
    shape = tuple(int(model.member("fNbins")) + 2 for model in models)
    if math.prod(shape) != cells:
        raise ValueError(f"{cells} numbers for {shape} bins")
    return tuple(map(_axis, models)), shape


def _profile(name: str, model: Any, most: int) -> Table:
    members = model.all_members
    class_name = type(model).__name__.split("_")[1]
    rank = int(class_name[8]) if len(class_name) > 8 else 1
    contents = _contents(model)
    if len(contents) > most:
        raise _UnsupportedError(f"{len(contents):,} bins, of which the file says nothing")
    axes, shape = _axes(members, rank, len(contents))
    fills = members["fBinEntries"], members["fBinSumw2"]
    columns = {"sumw": _array(np.asarray(fills[0]), shape)}
    if len(fills[1]):
        columns["sumw2"] = _array(np.asarray(fills[1]), shape)
    columns["sumwy"] = _array(contents, shape)
    columns["sumwy2"] = _array(np.asarray(members["fSumw2"]), shape)
    return binned_table(
        name, class_name, axes, columns,
        entries=float(members["fEntries"]), title=str(members["fTitle"]),
    )  # fmt: skip


def _graph(name: str, model: Any, most: int) -> Table:
    members = model.all_members
    if len(members["fX"]) > most:
        raise _UnsupportedError(f"{len(members['fX']):,} points, of which the file says nothing")
    x, y = (np.asarray(members[one], dtype=np.float64) for one in ("fX", "fY"))
    none = np.zeros(len(x))

    def errors(letter: str) -> list[Any]:
        if f"fE{letter}" in members:
            return [members[f"fE{letter}"]] * 2
        return [members.get(f"fE{letter}{side}", none) for side in ("low", "high")]

    values = np.array([x, y, *errors("X"), *errors("Y")], dtype=np.float64).T
    class_name = model.classname
    return points_table(name, class_name, GRAPH_COLUMNS, values, str(members["fTitle"]))


_COMPOSITES: Mapping[str, Callable[[str, Any, int], Table]] = {
    "TProfile": _profile,
    "TProfile2D": _profile,
    "TProfile3D": _profile,
    "TGraph": _graph,
    "TGraphErrors": _graph,
    "TGraphAsymmErrors": _graph,
}


def _contents(model: Any) -> Any:
    """Return the flat array of a TH1x: its base class TArrayx."""
    import uproot  # noqa: PLC0415 - see read_root

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
        raise _UnsupportedError(f"an axis from {lower:g} to {upper:g}")
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

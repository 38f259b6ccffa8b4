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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reprun.bounded import limits
from reprun.digests import sha256_bytes
from reprun.errors import OutputMissingError
from reprun.histograms.composites import GRAPH_COLUMNS, binned_table, points_table
from reprun.histograms.model import (
    BYTES,
    LARGEST_EXACT_COUNT,
    STORAGE_LETTERS,
    Axis,
    DataObject,
    Floats,
    Histogram,
    Objects,
    Table,
    Unread,
    regular_edges,
)
from reprun.histograms.root.direct import decoded, efficiency, options
from reprun.histograms.root.keys import (
    DIRECTORIES,
    BrokenError,
    ForeignError,
    Key,
    newest_keys,
    object_bytes,
    streamers,
)
from reprun.histograms.root.trees import TREES, UndecodedError, branch_digests
from reprun.wording import shortened, size_of

_HISTOGRAM = re.compile(r"^TH([123])([CSILFD])$")
EFFICIENCY = "TEfficiency"
ELSEWHERE = re.compile(r"^(TTree|TNtuple|TNtupleD|TChain|TBranch|TBasket|ROOT::.*RNTuple)$")
"""Classes whose own bytes do not say what they hold: the numbers lie elsewhere in the file."""


class _UnsupportedError(Exception):
    """This one object cannot be represented; the message says why."""


def read_root(path: Path) -> Objects:
    """Read every histogram of a ROOT file, in sub-directories too, by its path in the file.

    Of several cycles of one name the newest counts, as in ROOT. Raises OutputMissingError if
    the file or an object in it cannot be read.
    """
    source = open_root(path)
    return source.only(source.names)


def open_root(path: Path) -> RootSource:
    """Return what a ROOT file holds, decoded object by object when it is asked for.

    So files of any number of objects take little memory. Raises OutputMissingError if the
    file cannot be read; reading an object later raises it too.
    """
    with _mapped(path) as data:
        try:
            keys = newest_keys(data)
        except BrokenError as error:
            raise _unreadable(path, str(error)) from error
        size = len(data)
    held = {name: key for name, key in keys.items() if key.class_name not in DIRECTORIES}
    whole = sum(key.length for key in held.values())
    if whole > limits.FREE_FILE.value + limits.FILE_RATIO * size:
        raise _unreadable(
            path, f"it has {size_of(whole)} once decompressed, of {size_of(size)} on disk"
        )
    return RootSource(path, held)


def check_root(path: Path) -> None:
    """Raise OutputMissingError for a ROOT file that uproot would not read within the limits.

    What a tree keeps beside its own object, its baskets, is not looked at.
    """
    with _mapped(path) as data:
        try:
            for key in newest_keys(data).values():
                if key.class_name not in DIRECTORIES:
                    object_bytes(data, key)
        except BrokenError as error:
            raise _unreadable(path, str(error)) from error
        _check_streamers(path, data)


@dataclass(frozen=True, slots=True)
class RootSource:
    """The objects of one ROOT file by name, not yet decoded."""

    path: Path
    keys: Mapping[str, Key]

    @property
    def names(self) -> Collection[str]:
        """The names of all objects, those included that cannot be decoded."""
        return self.keys.keys()

    def only(self, names: Iterable[str]) -> Objects:
        """Decode the objects of some names; those whose bytes are broken are among the unread.

        Raises OutputMissingError where the file cannot be read at all.
        """
        found: dict[str, DataObject] = {}
        unread: dict[str, Unread] = {}
        rest: dict[str, tuple[Key, Unread]] = {}
        with _mapped(self.path) as data:
            for name in names:
                if (key := self.keys.get(name)) is None:
                    continue
                if key.ambiguous:
                    unread[name] = Unread(key.class_name, fault="two objects have this path")
                    continue
                undecoded = Unread(key.class_name)
                try:
                    unpacked = object_bytes(data, key)
                    undecoded = _known_by_bytes(key, unpacked)
                    thing = _directly(name, key, unpacked)
                except BrokenError as error:
                    unread[name] = _broken(undecoded, str(error))
                else:
                    if thing is None:
                        rest[name] = key, undecoded
                    else:
                        found[name] = thing
            if rest:
                _check_streamers(self.path, data)
        left = _by_uproot(self.path, rest) if rest else Objects()
        return Objects(found | dict(left.by_name), unread | dict(left.unread))

    def taking(self, names: Mapping[str, str]) -> RootSource:
        """Return the objects of some names under new ones; `names` maps new to old."""
        moved = {new: self.keys[old] for new, old in names.items() if old in self.keys}
        return RootSource(self.path, moved)


def _broken(undecoded: Unread, what: str) -> Unread:
    return replace(undecoded, fault=shortened(what))


def _known_by_bytes(key: Key, unpacked: bytes) -> Unread:
    """Return an object as what it is without being decoded."""
    if not unpacked or ELSEWHERE.match(key.class_name):
        return Unread(key.class_name)
    return Unread(key.class_name, {BYTES: sha256_bytes(unpacked)})


def _directly(name: str, key: Key, unpacked: bytes) -> DataObject | None:
    """Return what the direct decoder makes of an object, None if it does not know it.

    Raises BrokenError for an object whose bytes no reader may go on with, uproot included.
    """
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
        raise _unreadable(path, f"descriptions of classes: {error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """Yield the bytes of a file."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
        yield data


def _unreadable(path: Path, what: str) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable ROOT file: {shortened(what)}", place=str(path)
    )


def _by_uproot(path: Path, wanted: Mapping[str, tuple[Key, Unread]]) -> Objects:
    """Read some objects whose bytes the direct reader has seen, and does not know.

    Each comes with what it is where uproot does not decode it either.
    """
    import uproot  # noqa: PLC0415 - 0.2 s that most files need not pay

    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    try:
        with uproot.open(path) as file:
            for name, (key, undecoded) in wanted.items():
                class_name = key.class_name
                matched = _HISTOGRAM.match(class_name)
                place = f"{key.path};{key.cycle}"
                try:
                    if matched:
                        found[name] = _histogram(name, matched.group(2), file[place])
                    elif TREES.match(class_name):
                        unread[name] = Unread(class_name, branch_digests(file[place]))
                    elif class_name in _COMPOSITES:
                        most = limits.FREE_CELLS.value + key.size
                        found[name] = _COMPOSITES[class_name](name, file[place], most)
                    else:
                        unread[name] = undecoded
                except (_UnsupportedError, UndecodedError) as reason:
                    unread[name] = _broken(undecoded, str(reason))
                # Broken bytes lead uproot into whatever they decode to: zlib.error, struct.error,
                # IndexError, KeyError, AssertionError and more. All of them mean the same.
                except Exception as error:  # noqa: BLE001
                    unread[name] = _broken(undecoded, _first_line(error))
    # Of the file as a whole, as of an object below: uproot has many errors for broken bytes.
    except Exception as error:
        raise _unreadable(path, _first_line(error)) from error
    return Objects(found, unread)


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
        raise _UnsupportedError(f"{len(contents):,} bins, of which the file says nothing")
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

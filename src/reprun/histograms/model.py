"""Histograms and tables as reprun sees them, whatever file they came from.

Arrays are float64, read-only and always hold the flow bins: an axis of n bins takes n + 2
places, underflow first and overflow last. An axis that has no such bin says so in
`underflow` or `overflow`, and its place holds zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprun.histograms.events import ENTRIES, StoredEvents
from reprun.histograms.titles import unicode_title

Floats: TypeAlias = NDArray[np.float64]
Storage = Literal["int8", "int16", "int32", "int64", "float32", "float64"]
AxisKind = Literal["regular", "variable", "category"]

STORAGE_LETTERS: Mapping[str, Storage] = {
    "C": "int8",
    "S": "int16",
    "I": "int32",
    "L": "int64",
    "F": "float32",
    "D": "float64",
}
"""ROOT's letter of TH1x, TH2x, TH3x for each storage."""

_LETTERS = {storage: letter for letter, storage in STORAGE_LETTERS.items()}
_UNIT = re.compile(r"[\[(]\s*(?:in )?([^\[\]()]+?)\s*[\])]\s*$")

VALUES = ("table", "number", "numbers")
"""The classes of tables in which a zero is a value like any other."""

LARGEST_EXACT_COUNT = 2**53
"""Above it a float64 no longer holds every integer."""


def _frozen(values: ArrayLike) -> Floats:
    with np.errstate(all="ignore"):  # a signalling NaN is a NaN
        array = np.array(values, dtype=np.float64, order="C")
    array.setflags(write=False)
    return array


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: what was not UTF-8 in a file is spelt out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _all_printable(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError:
        return tuple(map(printable, texts))
    return texts


def _printable_facts(facts: Mapping[str, str]) -> dict[str, str]:
    return {printable(name): printable(value) for name, value in facts.items()}


def regular_edges(bins: int, lower: float, upper: float) -> Floats:
    """Return the `bins + 1` edges of an evenly spaced axis.

    Edge i is `lower + i * ((upper - lower) / bins)`, as ROOT's TAxis::GetBinLowEdge
    computes it, and the last one is `upper` itself. Every reader uses this one formula, so
    that equal axes have equal bits whichever file they came from.
    """
    with np.errstate(all="ignore"):  # an axis of edges that are not finite is refused
        edges = lower + np.arange(bins + 1) * ((upper - lower) / bins)
    edges[bins] = upper
    return np.asarray(edges, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One axis: its edges, and labels where bins are categories. Title and unit are for people."""

    edges: Floats
    kind: AxisKind = "variable"
    labels: tuple[str, ...] | None = None
    title: str = ""
    underflow: bool = True
    overflow: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", _frozen(self.edges))
        if self.edges.ndim != 1 or len(self.edges) < 2:
            raise ValueError("an axis has at least one bin, so two edges")
        if not (np.isfinite(self.edges).all() and (self.edges[1:] > self.edges[:-1]).all()):
            raise ValueError("the edges of an axis are finite and rise from bin to bin")
        object.__setattr__(self, "title", printable(self.title))
        if self.labels is not None:
            object.__setattr__(self, "labels", _all_printable(self.labels))
        if self.labels is not None and len(self.labels) != self.bins:
            raise ValueError(f"an axis of {self.bins} bins has {len(self.labels)} labels")

    @classmethod
    def regular(cls, bins: int, lower: float, upper: float, *, title: str = "") -> Axis:
        """Return an evenly spaced axis; see `regular_edges`."""
        if bins < 1:
            raise ValueError("an axis has at least one bin")
        return cls(regular_edges(bins, lower, upper), "regular", title=title)

    @classmethod
    def categories(cls, labels: tuple[str, ...], *, title: str = "", overflow: bool = True) -> Axis:
        """Return an axis of named bins: n labels lie at 0 … n, and nothing flows under."""
        edges = np.arange(len(labels) + 1, dtype=np.float64)
        return cls(edges, "category", labels, title, underflow=False, overflow=overflow)

    @property
    def bins(self) -> int:
        """The number of bins without flow."""
        return len(self.edges) - 1

    @property
    def unit(self) -> str:
        """The unit in the axis title, e.g. `GeV` of `m(4l) [GeV]`; empty if there is none."""
        found = _UNIT.search(self.title)
        return found.group(1) if found and "V" in found.group(1) else ""

    def describe_bin(self, place: int) -> str:
        """Return the words for a bin: `bin 12 [103, 106) GeV`, `underflow` or `overflow`.

        `place` counts as in the arrays: 0 is the underflow, 1 the first bin.
        """
        if place == 0:
            return "underflow"
        if place == self.bins + 1:
            return "overflow"
        if self.labels is not None:
            return f"bin {place} '{unicode_title(self.labels[place - 1])}'"
        low, high = (f"{edge:.6g}" for edge in self.edges[place - 1 : place + 1])
        unit = f" {unicode_title(self.unit)}" if self.unit else ""
        return f"bin {place} [{low}, {high}){unit}"


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """A binned distribution of one to three axes, with its flow bins.

    `sumw2` is None when the file stores none, which is not the same as stored weights that
    equal the contents. `entries` is the number of fills, None where the format has no place
    for it. Instances compare by identity; `content_hash` says whether two hold the same: of
    everything but `sums`, which only some formats keep.
    """

    name: str
    axes: tuple[Axis, ...]
    values: Floats
    sumw2: Floats | None = None
    storage: Storage = "float64"
    entries: float | None = None
    title: str = ""
    sums: tuple[float, ...] = ()
    """The sums over all fills that ROOT takes mean and width from, in the order of
    `TH1::GetStats`: of w, w², wx, wx², with more axes wy, wy², wxy, wz, wz², wxz, wyz. Empty
    where the format has no place for them."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What counts besides numbers and is not as usual, by what it is: an option of its errors."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _frozen(self.values))
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "facts", _printable_facts(self.facts))
        shape = tuple(axis.bins + 2 for axis in self.axes)
        if self.values.shape != shape:
            raise ValueError(f"'{self.name}' has contents {self.values.shape}, axes {shape}")
        if self.sumw2 is not None:
            object.__setattr__(self, "sumw2", _frozen(self.sumw2))
            if self.sumw2.shape != shape:
                raise ValueError(f"'{self.name}' has sumw2 {self.sumw2.shape}, axes {shape}")

    @property
    def class_name(self) -> str:
        """The name physicists know it by, e.g. `TH1D`."""
        return f"TH{len(self.axes)}{_LETTERS[self.storage]}"

    @property
    def variances(self) -> Floats:
        """The variance of each bin: sumw2, or |contents| (Poisson) where none is stored."""
        return np.abs(self.values if self.sumw2 is None else self.sumw2)

    @property
    def is_empty(self) -> bool:
        """Whether every bin holds zero, flow included."""
        return not self.values.any()

    def describe_bin(self, place: tuple[int, ...]) -> str:
        """Return the words for one bin; `place` counts as in `values`, flow included."""
        if len(self.axes) == 1:
            return self.axes[0].describe_bin(place[0])
        named = zip("xyz", self.axes, place, strict=False)
        return ", ".join(f"{letter} {axis.describe_bin(index)}" for letter, axis, index in named)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Named rows of numbers: yields, a cut flow. The order of rows and columns counts.

    Also whatever has several numbers a bin or point, with its class name: a profile (columns
    sumw, sumwy, sumwy2, and sumw2 if stored), an efficiency (passed, total), a graph (x, y and
    their errors), a measurement. Those of bins keep their axes; a row is a bin, flow included.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Floats
    corner: str = ""
    """The heading of the row names."""
    class_name: str = "table"
    axes: tuple[Axis, ...] = ()
    entries: float | None = None
    title: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What counts besides numbers, by what it is: cells of text, units, qualifiers, options."""
    sums: tuple[float, ...] = ()
    """Of a profile: as those of a histogram, with wy and wy²."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _frozen(self.values))
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "facts", _printable_facts(self.facts))
        object.__setattr__(self, "rows", _all_printable(self.rows))
        object.__setattr__(self, "columns", _all_printable(self.columns))
        if self.values.shape != (len(self.rows), len(self.columns)):
            raise ValueError(
                f"table '{self.name}' has numbers {self.values.shape}, "
                f"{len(self.rows)} rows and {len(self.columns)} columns"
            )

    @property
    def is_empty(self) -> bool:
        """Whether the table has no number; one of bins or points, no number but zero."""
        if self.facts:
            return False
        return self.values.size == 0 or (self.class_name not in VALUES and not self.values.any())

    def describe_bin(self, place: tuple[int, ...]) -> str:
        """Return the words for one cell: `row '4mu 2012', column 'data'`."""
        if self.class_name in ("number", "numbers"):
            return self.rows[place[0]]
        if self.class_name != "table":
            return f"{self.rows[place[0]]}, {self.columns[place[1]]}"
        return f"row '{self.rows[place[0]]}', column '{self.columns[place[1]]}'"


DataObject: TypeAlias = Histogram | Table


BYTES = "bytes"
"""The one part of an object that is known by its bytes alone."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An object whose content is not decoded, or decoded only as far as to tell it from another."""

    reason: str
    """Its class, or what about it is not supported."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The digest of each part of its content: of all of it as `BYTES`, or of each branch of a
    tree, which has its number of entries besides. Empty where no digest would cover everything
    that it holds."""
    fault: str = ""
    """What is wrong with its bytes, where that is why."""
    events: StoredEvents | None = field(default=None, compare=False, repr=False)
    """The values of a tree, where they can be read."""

    @property
    def is_tree(self) -> bool:
        """Whether it is known by its columns."""
        return ENTRIES in self.parts

    def __str__(self) -> str:
        """Say why it is not decoded."""
        return f"{self.reason}: {self.fault}" if self.fault else self.reason


@dataclass(frozen=True, slots=True)
class Objects(Mapping[str, DataObject]):
    """What one or more files hold, by name: all of it.

    What reprun cannot decode is in `unread`. A reader passes nothing over: what were in neither
    could differ unseen.
    """

    by_name: Mapping[str, DataObject] = field(default_factory=dict)
    unread: Mapping[str, Unread] = field(default_factory=dict)

    def __getitem__(self, name: str) -> DataObject:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def names(self) -> Collection[str]:
        """The names of all objects, those included that cannot be decoded."""
        return {**self.by_name, **self.unread}.keys()

    def only(self, names: Iterable[str]) -> Objects:
        """Return what is here of some names."""
        wanted = list(names)
        return Objects(
            {name: self.by_name[name] for name in wanted if name in self.by_name},
            {name: self.unread[name] for name in wanted if name in self.unread},
        )

    def taking(self, names: Mapping[str, str]) -> Objects:
        """Return the objects of some names under new ones; `names` maps new to old."""
        return Objects(
            {new: self.by_name[old] for new, old in names.items() if old in self.by_name},
            {new: self.unread[old] for new, old in names.items() if old in self.unread},
        )

    def prefixed(self, prefix: str) -> Objects:
        """Return the same objects with `prefix/` before every name."""
        return self.taking({f"{prefix}/{name}": name for name in self.names})


class Source(Protocol):
    """Objects by name that may be read only when they are asked for; `Objects` is one."""

    @property
    def names(self) -> Collection[str]:
        """The names of all objects, those included that cannot be decoded."""
        ...

    def only(self, names: Iterable[str]) -> Objects:
        """Read what is there of some names, in one go."""
        ...

    def taking(self, names: Mapping[str, str]) -> Source:
        """Return the objects of some names under new ones; `names` maps new to old."""
        ...


def number(value: float) -> int | float:
    """Return an integer for a float that holds one exactly, so that text shows `5`, not `5.0`.

    The sign of -0.0 stays: it is written `-0.0`.
    """
    if value == 0:
        return 0 if math.copysign(1.0, value) > 0 else -0.0
    if math.isfinite(value) and value == int(value) and abs(value) < LARGEST_EXACT_COUNT:
        return int(value)
    return value

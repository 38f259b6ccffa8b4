"""Events: what a tree or a table of events holds, column by column, where its file is at hand.

A tree is known by the digests of its columns. To say which events differ its values are needed:
one column at a time, so that memory does not grow with their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[Any]
ENTRIES = "number of entries"
"""The part of a tree that is not a column; the number itself, not a digest."""
STORED = " (stored bytes)"
"""Ends the name of the part that is a column known by its bytes alone."""


NAMES = (
    ("run", "runnumber", "run_number"),
    ("luminosityblock", "lumi", "lumiblock", "lumi_block", "luminosity_block", "ls"),
    ("event", "eventnumber", "event_number", "evt"),
)
"""What columns that name an event are called, in lower case; the last is needed."""


NUMBER, TEXT = "number", "text"
"""The types that columns of a table of text have."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of one column: numbers, lists of numbers, or anything else as `text_of` it."""

    type: str
    """Of one entry, in the words of Awkward Array: `float64`, `var * int32`, `3 * float32`."""
    values: Values
    """Those of all entries, one after the other."""
    counts: Values | None = None
    """How many each entry has; None: one each."""


class Events(Protocol):
    """Entries of which the values can be read."""

    @property
    def entries(self) -> int:
        """How many there are."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The columns that can be read, in the order of the file."""
        ...

    def column(self, name: str) -> Column:
        """Read one column."""
        ...


class StoredEvents(Protocol):
    """Events whose file is opened once for all columns: of a large tree that takes a second."""

    def opened(self) -> AbstractContextManager[Events]:
        """Return the events to read."""
        ...


def event_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns whose own names say that they name an event."""
    lower = {name.rpartition(".")[2].lower(): name for name in reversed(columns)}
    known = [next((lower[each] for each in names if each in lower), None) for names in NAMES]
    return tuple(name for name in known if name is not None) if known[-1] is not None else ()


def column_of(array: Any) -> Column:
    """Return the column that an array of awkward is, whatever is in it."""
    import awkward as ak  # noqa: PLC0415 - comes with uproot, and files without trees do without

    packed = ak.to_packed(array)
    kind = str(ak.type(packed).content)
    values = _as_numpy(packed)
    if values is not None:
        if values.ndim == 1:
            return Column(kind, values)
        size = values[0].size if len(values) else 0
        return Column(kind, values.ravel(), np.full(len(values), size, dtype=np.int64))
    if packed.ndim == 2:
        flat = _as_numpy(ak.flatten(packed))
        # A list that is missing has no length: it is not an empty one.
        counts = ak.num(packed)
        if flat is not None and flat.ndim == 1 and not ak.any(ak.is_none(packed)):
            return Column(kind, flat, np.asarray(counts, dtype=np.int64))
    return Column(kind, as_texts(ak.to_list(packed)))


def as_texts(values: Iterable[object]) -> Values:
    """Return what `text_of` makes of each value."""
    return np.array([*map(text_of, values), None], dtype=object)[:-1]


def text_of(value: object) -> str | None:
    """Return a value as text: a string as it is, one that is missing as none, others as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def canonical_values(values: Values) -> memoryview:
    """Return the bytes of numbers, little-endian, with -0.0 as 0.0 and one NaN."""
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype.kind == "f":
        flat = flat + flat.dtype.type(0)
        # The maximum of numbers among which there is a NaN is one: found without an array.
        if flat.size and np.isnan(flat.max()):
            flat[np.isnan(flat)] = np.nan
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def _as_numpy(packed: Any) -> Values | None:
    """Return numbers of one shape an entry, the leaves of a list of leaves side by side."""
    import awkward as ak  # noqa: PLC0415 - as above

    try:
        values = np.asarray(ak.to_numpy(packed, allow_missing=False))
    except ValueError:
        return None
    if values.dtype.names is not None and values.ndim == 1:
        leaves = [values[name] for name in values.dtype.names]
        if len({leaf.dtype for leaf in leaves}) > 1 or any(leaf.ndim > 1 for leaf in leaves):
            return None
        values = np.stack(leaves, axis=1)
    return values if values.dtype.kind in "biuf" else None

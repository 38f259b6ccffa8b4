"""Values of small trees, kept in a reference beside the digests of their columns.

Digests say whether a tree is the same, and no more: with values the events that differ are named,
and a tolerance holds. Of large trees the digests have to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.documents.reading import Document
from reprun.histograms import Column, Unread, Values
from reprun.histograms.event_tables import EventTable
from reprun.histograms.events import ENTRIES

LARGEST_KEPT = 2_000_000
"""Characters of JSON of all columns of a tree: some 100,000 numbers."""
FEWEST_CHARACTERS = 3
"""Of one number in a list."""


class KeptColumn(Document):
    """A column, as `reprun.histograms.Column`; a line of JSON each for values and lengths."""

    type: str
    kind: Literal[
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "object",
    ]  # fmt: skip
    """The type of numpy; `object` is text."""
    values: str
    counts: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        column = self.column()
        if column.counts is not None and (
            (column.counts < 0).any() or column.counts.sum() != len(column.values)
        ):
            raise ValueError("a column whose lists have other lengths than it says")
        return self

    @classmethod
    def of(cls, column: Column) -> KeptColumn:
        """Keep a column."""
        counts = None if column.counts is None else _text(column.counts)
        return cls.model_construct(
            type=column.type,
            kind=column.values.dtype.name,
            values=_text(column.values),
            counts=counts,
        )

    def column(self) -> Column:
        """Return the column again. Raises ValueError for text that is none."""
        counts = None if self.counts is None else _array(self.counts, "int64")
        return Column(self.type, _array(self.values, self.kind), counts)

    @property
    def entries(self) -> int:
        """How many it has."""
        column = self.column()
        return len(column.values if column.counts is None else column.counts)


def _text(values: Values) -> str:
    return json.dumps(values.tolist(), separators=(",", ":"))


def _array(text: str, kind: str) -> Values:
    found = parse_json(text)
    if not isinstance(found, list):
        raise LimitError("values that are no list")
    if kind != "object":
        try:
            return np.array(found, dtype=kind).reshape(len(found))
        except (TypeError, OverflowError) as error:
            raise ValueError(str(error)) from error
    if not all(value is None or isinstance(value, str) for value in found):
        raise ValueError("text that is none")
    return np.array([*found, None], dtype=object)[:-1]


def kept_columns(tree: Unread) -> dict[str, KeptColumn]:
    """Return the columns of a tree to keep: all that can be read of a small one, else none."""
    if tree.events is None:
        return {}
    found: dict[str, KeptColumn] = {}
    left = LARGEST_KEPT
    with tree.events.opened() as events:
        if events.entries * len(events.columns) * FEWEST_CHARACTERS > left:
            return {}
        for name in events.columns:
            found[name] = KeptColumn.of(events.column(name))
            left -= len(found[name].values) + len(found[name].counts or "")
            if left < 0:
                return {}
    return found


def kept_events(parts: Mapping[str, str], columns: Mapping[str, KeptColumn]) -> EventTable | None:
    """Return the events that were kept of a tree of these parts, None where they were not."""
    if not columns:
        return None
    held = {name: kept.column() for name, kept in columns.items()}
    return EventTable(held, int(parts[ENTRIES]))

"""Which entries of two trees are one event: by the columns that name it, or by their place.

Of events with one name the first belongs to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reprun.errors import SpecificationError, did_you_mean
from reprun.histograms import Events, Values
from reprun.histograms.events import event_names
from reprun.wording import listed

SHOWN_KEYS = 4
"""Of an event; where all its numbers name it there may be hundreds."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The columns that name an event; without any it is its place."""

    names: tuple[str, ...] = ()
    origin: Literal["a rule", "their names", "no other"] = "their names"
    """What says that it is these; without any that do, all numbers name an event."""

    def __str__(self) -> str:
        """Say by what events are matched."""
        if not self.names:
            return "their place"
        if self.origin == "no other":
            return "all their numbers"
        guessed = " (guessed from their names)" if self.origin == "their names" else ""
        return listed(self.names, most=len(self.names), last=" and ") + guessed


@dataclass(frozen=True, slots=True)
class Matched:
    """The places of entries that belong together, and of those that are alone."""

    here: Values
    """Of each pair in the monitored tree, rising."""
    there: Values
    only_here: Values
    only_there: Values
    labels: tuple[Labels, Labels]

    @property
    def moved(self) -> bool:
        """Whether the events that are in both are in another order."""
        return bool((np.diff(self.there) < 0).any())


@dataclass(frozen=True, slots=True)
class Labels:
    """What the events of one tree are called."""

    names: Sequence[str]
    values: Sequence[Values]

    def of(self, place: int) -> str:
        """Return the name of an event: `run 194115, lumi 22, event 123`."""
        if not self.names:
            return f"entry {place}"
        parts = zip(self.names, self.values, strict=True)
        return listed([f"{name} {values[place]}" for name, values in parts], most=SHOWN_KEYS)


def keys_of(
    tree: str, sides: tuple[Events, Events], asked: Sequence[str], *, ordered: bool
) -> Keys:
    """Return the columns that name an event: those asked for, or those that are called alike.

    Where nothing names an event and the order does not count, all its numbers do. Raises
    SpecificationError for one asked for that is not a column of integers in both.
    """
    both = [name for name in sides[0].columns if name in sides[1].columns]
    for name in asked:
        if name not in both:
            raise SpecificationError(
                f"{tree}: the key '{name}' is not a column of both trees{did_you_mean(name, both)}"
            )
        if not all(_is_single(side, name, "iu") for side in sides):
            raise SpecificationError(f"{tree}: the key '{name}' is not a column of integers")
    if asked:
        return Keys(tuple(asked), "a rule")
    guessed = event_names(both)
    if guessed and all(_is_single(side, name, "iu") for side in sides for name in guessed):
        return Keys(guessed)
    if ordered:
        return Keys()
    every = [name for name in both if all(_is_single(side, name, "biuf") for side in sides)]
    return Keys(tuple(every), "no other")


def match(monitored: Events, reference: Events, keys: Keys) -> Matched:
    """Return which entries belong together."""
    sides = (monitored, reference)
    if keys.names:
        values = [[side.column(name).values for name in keys.names] for side in sides]
        here, there = _pairs(*values)
    else:
        values = [[], []]
        here = there = np.arange(min(monitored.entries, reference.entries))
    rest = [
        np.setdiff1d(np.arange(side.entries), taken, assume_unique=True)
        for side, taken in zip(sides, (here, there), strict=True)
    ]
    labels = Labels(keys.names, values[0]), Labels(keys.names, values[1])
    return Matched(here, there, rest[0], rest[1], labels)


def _is_single(events: Events, name: str, kinds: str) -> bool:
    """Say whether each entry has one number in a column, of some kinds of numpy's."""
    column = events.column(name)
    return column.counts is None and column.values.dtype.kind in kinds


def _pairs(one: Sequence[Values], other: Sequence[Values]) -> tuple[Values, Values]:
    """Return the places of the events that are in both, in the order of the first."""
    if all(np.array_equal(a, b) for a, b in zip(one, other, strict=True)):
        places = np.arange(len(one[0]))
        return places, places
    size = len(one[0])
    codes = np.zeros(size + len(other[0]), dtype=np.int64)
    for a, b in zip(one, other, strict=True):
        values, inverse = np.unique(_joined(a, b), return_inverse=True)
        codes = np.unique(codes * len(values) + inverse, return_inverse=True)[1]
    again = _repeats(codes[:size]), _repeats(codes[size:])
    most = 1 + max(int(each.max(initial=0)) for each in again)
    names = codes[:size] * most + again[0], codes[size:] * most + again[1]
    _, here, there = np.intersect1d(names[0], names[1], assume_unique=True, return_indices=True)
    order = np.argsort(here)
    return here[order], there[order]


def _joined(one: Values, other: Values) -> Values:
    """Return both one after the other; of integers of two types numpy would make floats."""
    if one.dtype != other.dtype and {one.dtype.kind, other.dtype.kind} == {"i", "u"}:
        return np.concatenate([one.astype(np.int64), other.astype(np.int64)])
    return np.concatenate([one, other])


def _repeats(codes: Values) -> Values:
    """Return for each code how often it was there before."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else order
    again = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    found = np.empty_like(codes)
    found[order] = again
    return found

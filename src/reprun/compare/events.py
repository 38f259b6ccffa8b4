"""Two trees whose columns are not all the same: in which events they differ, and in what.

Columns are read one at a time, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from reprun.compare.columns import difference, differing, types_apart
from reprun.compare.event_keys import Keys, Matched, match
from reprun.compare.tolerance import Tolerance
from reprun.histograms import Column, Events, Values
from reprun.wording import count_of, listed

SHOWN = 3
"""Events that are described."""


@dataclass(frozen=True, slots=True)
class EventDifference:
    """An event with a value that differs: where it is, and in words."""

    place: int
    words: str
    """`run 194115, lumi 22, event 123: pt 29.99 / 30.01`, the monitored value first."""


@dataclass(frozen=True, slots=True)
class EventsCompared:
    """What was found."""

    keys: Keys
    pairs: int
    """Events that are in both."""
    only: tuple[int, int]
    """Events only in the monitored, only in the reference."""
    examples: tuple[str, str]
    """The first of each."""
    moved: bool
    """Whether the events that are in both are in another order."""
    differing: dict[str, int]
    """By column how many events differ by more than is allowed."""
    types: tuple[tuple[str, str], ...]
    """Columns of another type, and how it differs in words."""
    first: tuple[str, ...]
    """The first events that differ, in words."""
    events: int
    """Events with a value that differs."""

    @property
    def is_same_list(self) -> bool:
        """Whether both have the same events in the same order."""
        return not (self.moved or any(self.only))

    def findings(self, *, ordered: bool) -> Iterator[str]:
        """Yield what is wrong, each to be read after the name of the tree."""
        for name, words in self.types:
            yield f"has {name} {words}"
        if self.first:
            yield f"differs in {self.first[0]}"
        if any(self.only):
            yield self._only()
        if self.moved and ordered:
            yield "has the same events in another order"

    def more(self) -> Iterator[str]:
        """Yield what else is to be said of the events that differ."""
        if self.differing:
            columns = [f"{name} in {number:,}" for name, number in self.differing.items()]
            differ = "differs" if self.events == 1 else "differ"
            yield f"{self.events:,} of {count_of(self.pairs, 'event')} {differ} ({listed(columns)})"
        for each in self.first[1:]:
            yield f"then {each}"

    def _only(self) -> str:
        said = [
            f"{count_of(number, 'event')} only {where}, first {example}"
            for number, where, example in zip(
                self.only, ("in it", "in the reference"), self.examples, strict=True
            )
            if number
        ]
        return "has " + ", ".join(said)


def compare_events(
    monitored: Events,
    reference: Events,
    keys: Keys,
    columns: Sequence[str],
    tolerance_of: Callable[[str], Tolerance],
    *,
    alike: bool = True,
) -> EventsCompared:
    """Say in which events some columns differ, which both sides have.

    `alike`: whether both are stored in one format, which says more of types than what they hold.
    """
    matched = match(monitored, reference, keys)
    found = _Found(matched, alike, np.zeros(len(matched.here), dtype=bool))
    for name in columns:
        found.add(name, monitored.column(name), reference.column(name), tolerance_of(name))
    alone = matched.only_here, matched.only_there
    return EventsCompared(
        keys=keys,
        pairs=len(matched.here),
        only=(len(alone[0]), len(alone[1])),
        examples=(_first(matched, 0, alone[0]), _first(matched, 1, alone[1])),
        moved=matched.moved,
        differing=found.differing,
        types=tuple(found.types),
        first=tuple(one.words for one in sorted(found.first, key=lambda one: one.place)[:SHOWN]),
        events=int(np.count_nonzero(found.apart)),
    )


def _first(matched: Matched, side: int, places: Values) -> str:
    return matched.labels[side].of(int(places[0])) if len(places) else ""


@dataclass(slots=True)
class _Found:
    """What is gathered over all columns."""

    matched: Matched
    alike: bool
    apart: Values
    """Of each pair of events whether a column before differs."""
    differing: dict[str, int] = field(default_factory=dict)
    types: list[tuple[str, str]] = field(default_factory=list)
    first: list[EventDifference] = field(default_factory=list)

    def add(self, name: str, one: Column, other: Column, tolerance: Tolerance) -> None:
        if (types := types_apart(one, other, tolerance, alike=self.alike)) is not None:
            self.types.append((name, types))
            return
        places = self.matched.here, self.matched.there
        apart = differing(one, other, places, tolerance)
        if not apart.any():
            return
        self.differing[name] = int(np.count_nonzero(apart))
        new = np.flatnonzero(apart & ~self.apart)[:SHOWN]
        self.apart |= apart
        for pair in new:
            here, there = int(places[0][pair]), int(places[1][pair])
            label = self.matched.labels[0].of(here)
            words = f"{label}: {name}{difference(one, other, here, there, tolerance)}"
            self.first.append(EventDifference(here, words))

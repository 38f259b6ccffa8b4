"""Which events moved to a neighbouring bin, where a tree of the same results has them.

A histogram says that an entry moved, a tree whose events differ says in what. An event of which the
reference has a value in the bin that lost the entry, and the run one in the bin that got it, is
named where there are as many as entries that moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reprun.compare.columns import EXACT, difference, paired_values
from reprun.compare.event_keys import Keys, Matched, match
from reprun.compare.verdict import Item, Migration
from reprun.histograms import Axis, Column, Histogram, Source, Values
from reprun.histograms.events import StoredEvents
from reprun.wording import listed

MOST_HISTOGRAMS = 20
MOST_TREES = 5
"""Trees are read once more: of many histograms and trees the first are enough to see why."""
SHOWN = 3
"""Events that are named of one move."""


@dataclass(frozen=True, slots=True)
class EventsApart:
    """Two trees whose events differ, and by what they were matched."""

    monitored: StoredEvents
    reference: StoredEvents
    keys: Keys
    columns: tuple[str, ...]
    """Those with a value that differs."""


def with_events(
    items: Sequence[Item], trees: Mapping[str, EventsApart], reference: Source
) -> list[Item]:
    """Return the items, those of entries that moved with the events that did, where known."""
    named = {
        name: apart
        for name, apart in trees.items()
        if apart.keys.names and apart.keys.origin != "no other"
    }
    moved = [item for item in items if item.migrated][:MOST_HISTOGRAMS]
    if not (named and moved):
        return list(items)
    axes = {
        name: thing.axes
        for name, thing in reference.only([item.name for item in moved]).items()
        if isinstance(thing, Histogram)
    }
    for tree, apart in list(named.items())[:MOST_TREES]:
        moved = _with_those_of(tree, apart, moved, axes)
    by_name = {item.name: item for item in moved}
    return [by_name.get(item.name, item) for item in items]


def _with_those_of(
    tree: str, apart: EventsApart, items: Sequence[Item], axes: Mapping[str, Sequence[Axis]]
) -> list[Item]:
    """Return items with the events of one tree, where another has not named them."""
    with apart.monitored.opened() as here, apart.reference.opened() as there:
        matched = match(here, there, apart.keys)
        pairs = {name: (here.column(name), there.column(name)) for name in apart.columns}
    found = []
    for item in items:
        moves = tuple(
            move
            if move.events
            else replace(move, events=_of_move(move, axes[item.name], matched, pairs))
            for move in item.migrated
        )
        new = [
            event
            for move, before in zip(moves, item.migrated, strict=True)
            if not before.events
            for event in move.events
        ]
        said = f"; moved in {tree}: {listed(new, separator='; ')}" if new else ""
        found.append(replace(item, migrated=moves, sentence=item.sentence + said))
    return found


def _of_move(
    move: Migration,
    axes: Sequence[Axis],
    matched: Matched,
    pairs: Mapping[str, tuple[Column, Column]],
) -> tuple[str, ...]:
    """Return the events that one move can be, as many as its entries; none if it is not clear."""
    axis = axes[move.axis]
    source, target = (_range(axis, place[move.axis]) for place in (move.source, move.target))
    for name, (one, other) in pairs.items():
        places = list(_crossing(one, other, matched, source, target))
        if len(places) == move.entries:
            return tuple(
                f"{matched.labels[0].of(here)}, {name}{difference(one, other, here, there, EXACT)}"
                for here, there in places[:SHOWN]
            )
    return ()


def _crossing(
    one: Column,
    other: Column,
    matched: Matched,
    source: tuple[float, float],
    target: tuple[float, float],
) -> Iterator[tuple[int, int]]:
    """Yield the events whose value went from one bin to the other."""
    values = paired_values(one, other, (matched.here, matched.there))
    if values is None:
        return
    pairs, here, there = values
    crossed = _within(there, source) & _within(here, target)
    for pair in np.unique(pairs[crossed]):
        yield int(matched.here[pair]), int(matched.there[pair])


def _range(axis: Axis, place: int) -> tuple[float, float]:
    """Return the edges of a bin; the lower one is in it, as in ROOT and in hist."""
    edges = np.r_[-np.inf, axis.edges, np.inf]
    return float(edges[place]), float(edges[place + 1])


def _within(values: Values, between: tuple[float, float]) -> Values:
    return np.asarray((values >= between[0]) & (values < between[1]))

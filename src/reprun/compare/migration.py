"""Migration: entries that one side has in a bin and the other in the bin next to it.

A value that is on an edge but for its rounding falls into either bin. That is one event and no
other physics, and it looks like two wrong bins. A difference is called a migration only where
nothing else can explain it by moves between neighbours: every move is forced, few entries move,
and the sums of contents and of sumw2 are conserved, flow bins included. Where two ways lead to the
same bins none is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from reprun.compare.tolerance import Tolerance, beyond_places, rounding_of
from reprun.compare.verdict import Migration, Place
from reprun.histograms import Axis, Histogram
from reprun.wording import count_of, listed

MOST_ENTRIES = 10
"""More entries that moved are no matter of rounding."""
MOST_BINS = 2 * MOST_ENTRIES
"""An entry that moved changes two bins."""
MOST_SHARE = 0.1
"""The same, of all entries of the histogram: of three events one that moved may be another."""
CLEAR = 0.01
"""How far from an integer the number of entries may be that contents and sumw2 give."""


def migrations(monitored: Histogram, reference: Histogram) -> tuple[Migration, ...]:
    """Return the moves that alone explain which bins of two comparable histograms differ.

    Empty where there is no such explanation, or more than one. What differs in the last digits
    only is left to the tolerance. Bins of an axis with labels have no neighbours.
    """
    rounding = Tolerance(rounding_of(reference))
    flat = beyond_places(monitored, reference, rounding)
    if not 2 <= flat.size <= MOST_BINS:
        return ()
    indices = np.unravel_index(flat, reference.values.shape)
    places = [tuple(map(int, place)) for place in zip(*indices, strict=True)]
    left = _Left(monitored, reference, places, rounding.relative)
    found: list[Migration] = []
    while left.flows:
        move = left.forced()
        if move is None:
            return ()
        found.append(move)
    few = min(MOST_ENTRIES, MOST_SHARE * _entries(reference))
    if not left.is_settled or sum(move.entries for move in found) > few:
        return ()
    return tuple(sorted(found, key=lambda move: (move.source, move.target)))


def sentence_of(moves: tuple[Migration, ...]) -> str:
    """Return what is said of moves: `migrated: 1 entry from bin 12 to 13`."""
    return f"migrated: {listed([move.sentence for move in moves])}"


def _entries(thing: Histogram) -> float:
    """Return how many entries are in a histogram, effectively where they have weights."""
    if thing.sumw2 is None:
        return float(np.abs(thing.values).sum())
    squares = float(thing.sumw2.sum())
    return float(thing.values.sum()) ** 2 / squares if squares else 0.0


class _Left:
    """What is left to explain: of each bin how much came in, or went out where negative."""

    def __init__(
        self, monitored: Histogram, reference: Histogram, places: list[Place], rounding: float
    ) -> None:
        self._axes = reference.axes
        self._counted = monitored.sumw2 is None or reference.sumw2 is None
        # Where sumw2 is stored it is what is followed: it says which way a negative weight went.
        flow = [thing.values if thing.sumw2 is None else thing.sumw2
                for thing in (monitored, reference)]  # fmt: skip
        contents = monitored.values, reference.values
        self.flows = {place: float(flow[0][place]) - float(flow[1][place]) for place in places}
        self._contents = {
            place: float(contents[0][place]) - float(contents[1][place]) for place in places
        }
        self._slack = {
            place: [rounding * float(max(abs(one[place]), abs(other[place])))
                    for one, other in (flow, contents)]
            for place in places
        }  # fmt: skip

    @property
    def is_settled(self) -> bool:
        """Whether the contents are explained by what explains the flows."""
        return all(
            abs(content) <= 2 * self._slack[place][1] for place, content in self._contents.items()
        )

    def forced(self) -> Migration | None:
        """Take out a move that has no alternative; None if there is none, or it explains nothing.

        A bin with one neighbour of the other sign can have its entries from there alone.
        """
        for place, flow in self.flows.items():
            others = [
                (axis, near)
                for axis, near in _neighbours(place, self._axes)
                if self.flows.get(near, 0.0) * flow < 0
            ]
            if len(others) == 1:
                return self._taken(place, *others[0])
            if not others:
                return None
        return None

    def _taken(self, place: Place, axis: int, near: Place) -> Migration | None:
        flow, content = self.flows.pop(place), self._contents[place]
        slack = [sum(pair) for pair in zip(self._slack[place], self._slack[near], strict=True)]
        # A move must stand out of the rounding of both bins, in contents as in sumw2.
        if abs(flow) * CLEAR < slack[0] or abs(content) * CLEAR < slack[1]:
            return None
        entries = abs(content) if self._counted else content * content / abs(flow)
        count = round(entries) if math.isfinite(entries) else 0
        if count < 1 or abs(entries - count) > (0.0 if self._counted else CLEAR):
            return None
        if abs(flow) > abs(self.flows[near]) + slack[0]:
            return None
        self.flows[near] += flow
        self._contents[near] += content
        self._contents[place] = 0.0
        if abs(self.flows[near]) <= slack[0]:
            del self.flows[near]
        source, target = (near, place) if flow > 0 else (place, near)
        weight = 1.0 if self._counted else flow / content
        return Migration(
            count,
            weight,
            source,
            target,
            axis,
            float(self._axes[axis].edges[min(source[axis], target[axis])]),
            _sentence(count, weight, source, target, axis, self._axes),
        )


def _neighbours(place: Place, axes: tuple[Axis, ...]) -> Iterator[tuple[int, Place]]:
    """Yield the bins beside one along each axis whose order means something, with the axis."""
    for index, axis in enumerate(axes):
        if axis.labels is not None:
            continue
        for step in (-1, 1):
            if 0 <= place[index] + step <= axis.bins + 1:
                yield index, (*place[:index], place[index] + step, *place[index + 1 :])


def _sentence(
    count: int, weight: float, source: Place, target: Place, moved: int, axes: tuple[Axis, ...]
) -> str:
    what = count_of(count, "entry", "entries")
    if not math.isclose(weight, 1.0, rel_tol=1e-6):
        what += f" of weight {weight:.6g}"
    start, end = (_bin(place[moved], axes[moved]) for place in (source, target))
    if start.startswith("bin"):
        end = end.removeprefix("bin ")
    if len(axes) == 1:
        return f"{what} from {start} to {end}"
    others = [
        f"{letter} {_bin(source[index], axis)}"
        for index, (letter, axis) in enumerate(zip("xyz", axes, strict=False))
        if index != moved
    ]
    return f"{what} from {'xyz'[moved]} {start} to {end} ({', '.join(others)})"


def _bin(place: int, axis: Axis) -> str:
    """Return the name of a bin without its edges."""
    if place in (0, axis.bins + 1):
        return "underflow" if place == 0 else "overflow"
    return f"bin {place}"

"""What of a history may go: old runs, but none that says since when something is red."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reprun.history import rows
from reprun.history.database import Database
from reprun.history.rows import Night
from reprun.history.series import is_green, is_red, red_objects


@dataclass(frozen=True, slots=True)
class Rule:
    """Which runs are kept whatever they are."""

    after: dt.datetime | None = None
    """All that were started since then."""
    nights: int | None = None
    """So many of the last days on which a cell has a run."""


def prunable(nights: Sequence[Night], rule: Rule, protected: Collection[int] = ()) -> list[Night]:
    """Return the runs of a cell that may go. Pure.

    Never those on either side of a change between good and bad, the first and the last of all, the
    last one that was good or bad, and those that are protected, by their number.
    """
    kept = {night.id for night in _kept(nights)}.union(protected)
    days = list(dict.fromkeys(night.day for night in nights))
    last = set(days[-rule.nights :]) if rule.nights else set()
    return [
        night
        for night in nights
        if night.id not in kept
        and night.day not in last
        and not (rule.after is not None and night.at >= rule.after)
    ]


def _kept(nights: Sequence[Night]) -> Iterator[Night]:
    yield from nights[:1]
    yield from nights[-1:]
    telling = [night for night in nights if is_red(night) or is_green(night)]
    yield from telling[-1:]
    for one, other in pairwise(telling):
        if is_green(one) != is_green(other):
            yield from (one, other)


def prune(database: Database, rule: Rule, *, dry_run: bool) -> list[Night]:
    """Remove the runs that may go, with what no other run has; return them."""
    found: list[Night] = []
    for cell in rows.cells(database):
        nights = rows.nights(database, cell)
        # Since when each object does not pass is known by its first run that did not.
        first = {night.id for night in red_objects(database, nights).values()}
        found += prunable(nights, rule, first)
    if found and not dry_run:
        with database.transaction():
            rows.remove(database, found)
    return found

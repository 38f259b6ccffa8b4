"""What differs between two runs of the history: every factor, down to packages, rows and lines."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reprun.conditions.tables import Row, changed_cells, rows_of
from reprun.digests import short
from reprun.errors import ReprunError
from reprun.history import rows
from reprun.history.database import Database
from reprun.history.model import JUDGING, Factor
from reprun.images.packages import changes_of_packages
from reprun.wording import count_of, listed

MOST_LINES = 5_000
"""Lines of a file that are compared: the time grows with their square."""
BYTES_GONE = "its bytes are gone"
SAID_IN_FULL = frozenset({"parameter", "engine", "host", "program"})
"""Kinds whose values are told as they are."""
COUNTED = frozenset({"code"})
"""Kinds of which a sentence counts the details, and does not tell them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One factor that is not the same in two runs; None where a run has none."""

    before: Factor | None
    now: Factor | None
    details: tuple[str, ...] = ()
    """What in it differs: packages, rows of a table, lines of code."""
    unknown: str = ""
    """Why there are no details, where there should be."""

    @property
    def factor(self) -> Factor:
        """The factor as it is now, or was."""
        found = self.now or self.before
        assert found is not None
        return found

    @property
    def same(self) -> bool:
        """Whether both runs have it, with the same digest."""
        return None not in (self.before, self.now) and self.before_digest == self.now_digest

    @property
    def before_digest(self) -> str | None:
        """Its digest in the first run."""
        return None if self.before is None else self.before.digest

    @property
    def now_digest(self) -> str | None:
        """Its digest in the second run."""
        return None if self.now is None else self.now.digest

    @property
    def name(self) -> str:
        """What people call the factor: `image columnar`."""
        factor = self.factor
        return factor.kind if factor.name == factor.kind else f"{factor.kind} {factor.name}"

    def __str__(self) -> str:
        """Return `image columnar (numpy 2.1.3 → 2.2.0)`."""
        if self.before is None:
            return f"{self.name} is new"
        if self.now is None:
            return f"{self.name} is gone"
        if self.details and self.factor.kind in COUNTED:
            return f"{self.name} ({count_of(len(self.details), 'line')})"
        if self.details:
            return f"{self.name} ({listed(self.details)})"
        return f"{self.name} ({self.before_and_now})"

    @property
    def before_and_now(self) -> str:
        """Both values, or both digests where those are no text to read."""
        return f"{shown(self.before)} → {shown(self.now)}"


def shown(factor: Factor | None) -> str:
    """Return a factor as people read it: its value where it is one, else its digest."""
    if factor is None:
        return "none"
    if factor.kind in SAID_IN_FULL or (factor.kind == "reference" and factor.value):
        return factor.value
    return short(factor.digest)


def side_by_side(database: Database, before: int | None, now: int | None) -> list[Change]:
    """Return every factor of two records, also those that are the same, in the order of `KINDS`."""
    then = {factor.key: factor for factor in rows.factors(database, before)}
    later = {factor.key: factor for factor in rows.factors(database, now)}
    every = [Change(then.get(key), later.get(key)) for key in sorted(then.keys() | later.keys())]
    return [each if each.same else _in_detail(database, each.before, each.now) for each in every]


def changes(
    database: Database, before: int | None, now: int | None, *, judging_alone: bool = False
) -> list[Change]:
    """Return what differs between two records, in the order of `KINDS`.

    With `judging_alone` only what decides a verdict and no content.
    """
    return [
        each
        for each in side_by_side(database, before, now)
        if not each.same and (not judging_alone or each.factor.kind in JUDGING)
    ]


def _in_detail(database: Database, before: Factor | None, now: Factor | None) -> Change:
    if before is None or now is None:
        return Change(before, now)
    match now.kind:
        case "image":
            one, other = (rows.packages(database, each.digest) for each in (before, now))
            if one is None or other is None:
                return Change(before, now, unknown="its packages are not known")
            return Change(before, now, tuple(changes_of_packages(one, other)))
        case "code":
            return _of_texts(database, before, now)
        case "conditions" if now.value and now.value == before.value:
            return _of_tables(database, before, now)
        case _:
            return Change(before, now)


def _of_texts(database: Database, before: Factor, now: Factor) -> Change:
    one, other = (rows.text(database, each.digest) for each in (before, now))
    if one is None or other is None:
        return Change(before, now, unknown=BYTES_GONE)
    lines = [data.decode(errors="replace").splitlines() for data in (one, other)]
    if max(map(len, lines)) > MOST_LINES:
        return Change(before, now, unknown=f"it has more than {MOST_LINES:,} lines")
    return Change(before, now, tuple(changed_lines(*lines)))


def changed_lines(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return `line 12: - old` and `line 12: + new` for every line that is not in both."""
    found = []
    matcher = difflib.SequenceMatcher(None, before, now)
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            found += [f"line {n + 1}: - {before[n]}" for n in range(a, b)]
            found += [f"line {n + 1}: + {now[n]}" for n in range(c, d)]
    return found


def _of_tables(database: Database, before: Factor, now: Factor) -> Change:
    one, other = (rows.text(database, each.digest) for each in (before, now))
    if one is None or other is None:
        return Change(before, now, unknown=BYTES_GONE)
    try:
        tables = [_table(data, now) for data in (one, other)]
    except (ReprunError, csv.Error, UnicodeDecodeError) as error:
        said = error.message if isinstance(error, ReprunError) else str(error)
        return Change(before, now, unknown=f"its rows cannot be compared: {said}")
    cells = changed_cells(*tables)
    return Change(before, now, tuple(str(cell).removeprefix("metadata: ") for cell in cells))


def _table(data: bytes, factor: Factor) -> Mapping[str, Row]:
    return rows_of(io.StringIO(data.decode(), newline=""), factor.value, factor.name)

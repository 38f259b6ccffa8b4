"""Two runs side by side: what they were made from, and what they made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reprun.errors import SpecificationError
from reprun.history import rows
from reprun.history.changes import Change, side_by_side
from reprun.history.database import Database
from reprun.history.model import Object
from reprun.history.rows import Cell, Night


@dataclass(frozen=True, slots=True)
class Pair:
    """One object in two runs; None where a run has it not."""

    one: Object | None
    other: Object | None

    @property
    def name(self) -> str:
        """What it is called."""
        found = self.one or self.other
        assert found is not None
        return found.name

    @property
    def same(self) -> bool:
        """Whether both runs have it, with the same content."""
        return (
            self.one is not None
            and self.other is not None
            and self.one.content_hash is not None
            and self.one.content_hash == self.other.content_hash
        )


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """What a comparison of two runs found."""

    one: Night
    other: Night
    cells: tuple[Cell, Cell]
    factors: Sequence[Change]
    """Every factor, also those that are the same."""
    objects: Sequence[Pair]


def compared(database: Database, one: str, other: str) -> TwoRuns:
    """Compare two runs by what they are called.

    Raises SpecificationError for a name of none or several, and for a run that left no record.
    """
    first, second = (rows.run_called(database, name) for name in (one, other))
    for night in (first, second):
        if night.record is None:
            raise SpecificationError(
                f"nothing is known of what the run {night.name} was made from: it left no record "
                f"({night.sentence or night.state})",
                hint="reprun history show ANALYSIS",
            )
    before, now = (
        {each.name: each for each in rows.objects(database, night.report)}
        for night in (first, second)
    )
    names = dict.fromkeys([*before, *now])
    return TwoRuns(
        first,
        second,
        (rows.cell_called(database, first), rows.cell_called(database, second)),
        side_by_side(database, first.record, second.record),
        [Pair(before.get(name), now.get(name)) for name in names],
    )

"""The history of a cell in one value: what every view shows of it, and none works out again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from reprun.history import rows, series
from reprun.history.changes import changes
from reprun.history.database import Database
from reprun.history.levels import Jump, last_jump
from reprun.history.rows import Cell, Night
from reprun.history.series import Flaky, Red
from reprun.wording import size_of


@dataclass(frozen=True, slots=True)
class StepJump:
    """A step of the workflow that takes another time or memory since some night."""

    step: str
    what: str
    """`seconds` or `max_rss_bytes`."""
    night: Night
    jump: Jump

    @property
    def sentence(self) -> str:
        """Return `step fill takes 4.2 s since 2026-03-02, 2.1 s before` with the ratio."""
        verb, before, now = (
            ("takes", f"{self.jump.before:.3g} s", f"{self.jump.now:.3g} s")
            if self.what == "seconds"
            else ("needs", size_of(int(self.jump.before)), size_of(int(self.jump.now)))
        )
        return (
            f"step {self.step} {verb} {now} since {self.night.day}, {before} before "
            f"(× {self.jump.ratio:.2f})"  # noqa: RUF001 - the sign of multiplication
        )


@dataclass(frozen=True, slots=True)
class CellHistory:
    """What is known of a cell."""

    cell: Cell
    nights: Sequence[Night]
    """All of its runs, in order; never none."""
    red: Red | None
    sentence: str | None
    """Since when it is red, and what changed that night."""
    flaky: Flaky | None

    @property
    def last(self) -> Night:
        """Its last run."""
        return self.nights[-1]


@dataclass(frozen=True, slots=True)
class Closer:
    """What takes a closer look at one cell."""

    red_objects: dict[str, Night]
    """Objects that do not pass now, with the first run since which they do not."""
    jumps: Sequence[StepJump]
    moved: dict[int, Sequence[str]]
    """By run: what differs from the run before it that has a record."""


def histories(database: Database, analysis: str | None = None) -> list[CellHistory]:
    """Return the history of every cell, or of those of an analysis."""
    found = [history_of(database, cell) for cell in rows.cells(database, analysis)]
    return [each for each in found if each is not None]


def history_of(database: Database, cell: Cell) -> CellHistory | None:
    """Return the history of one cell; None where it has no run."""
    nights = rows.nights(database, cell)
    if not nights:
        return None
    return CellHistory(
        cell,
        nights,
        series.red(nights),
        series.sentence(database, nights),
        series.flaky(database, nights),
    )


def closer(
    database: Database, history: CellHistory, since: dt.datetime | None, most: int | None
) -> Closer:
    """Take a closer look at a cell; what moved is told of its last `most` runs since then."""
    return Closer(
        series.red_objects(database, history.nights),
        jumps(database, history.nights),
        _moved(database, history.nights, shown_of(history, since, most)),
    )


def _moved(
    database: Database, nights: Sequence[Night], shown: Sequence[Night]
) -> dict[int, Sequence[str]]:
    found: dict[int, Sequence[str]] = {}
    before: Night | None = None
    wanted = {night.id for night in shown}
    factors = rows.factor_sets(database, [n.record for n in nights if n.record is not None])
    for night in nights:
        if night.record is None:
            continue
        if before is not None and night.id in wanted and night.record != before.record:
            assert before.record is not None
            same = factors[before.record] == factors[night.record]
            differing = [] if same else changes(database, before.record, night.record)
            found[night.id] = [str(each) for each in differing]
        before = night
    return found


def shown_of(history: CellHistory, since: dt.datetime | None, most: int | None) -> Sequence[Night]:
    """Return the runs of a cell since a time, no more than the last `most`."""
    nights = [night for night in history.nights if since is None or night.at >= since]
    return nights if most is None else nights[-most:]


def jumps(database: Database, nights: Sequence[Night]) -> list[StepJump]:
    """Return the last step of each series of run time and memory, by the steps of the workflow."""
    ran: dict[int, Night] = {}
    for night in nights:
        if night.record is not None and night.report is not None:
            ran.setdefault(night.record, night)  # a later night only took the result over
    found = rows.steps(database, list(ran))
    series_of: dict[tuple[str, str], list[tuple[Night, float]]] = {}
    for record, night in ran.items():
        for step in found[record]:
            for what in ("seconds", "max_rss_bytes"):
                value = getattr(step, what)
                if value is not None and not step.kept:
                    series_of.setdefault((step.name, what), []).append((night, float(value)))
    told = []
    for (step_name, what), points in series_of.items():
        jump = last_jump([value for _, value in points])
        if jump is not None:
            told.append(StepJump(step_name, what, points[jump.index][0], jump))
    return told

"""What is to be explained: a good run and a bad one, and what of their factors can be set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reprun.blame.setting import Settings
from reprun.documents.selection import Selection
from reprun.errors import InputsGoneError, SpecificationError
from reprun.history import rows, series
from reprun.history.changes import Change, side_by_side
from reprun.history.database import Database
from reprun.history.model import JUDGING, Factor, Kind
from reprun.history.rows import Cell, Night
from reprun.wording import lines_of, listed

FOUND_BY_A_RUN: frozenset[Kind] = frozenset({"host", "program", "deviation", "engine", "rules"})
"""Kinds that a run has whether they are set or not."""

ENDED_EARLY = ("interrupted", "not run")


@dataclass(frozen=True, slots=True)
class Moved:
    """What differs, and can be set as it was in either run; an image under another name is one."""

    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """What people call it: `image columnar`."""
        return " and ".join(change.name for change in self.changes)

    def __str__(self) -> str:
        """Return it with what it was before and is now."""
        return " and ".join(map(str, self.changes))

    def factors(self, *, bad: bool) -> Iterator[Factor]:
        """Yield the factors that it has in one of the two runs."""
        for change in self.changes:
            if (factor := change.now if bad else change.before) is not None:
                yield factor


@dataclass(frozen=True, slots=True)
class Fixed:
    """What differs, and has one value in every run that is made now."""

    change: Change
    side: Literal["good", "bad", "this host"]
    """Whose value it has."""
    why: str
    """Why it is not set to the other; empty where it cannot be a cause."""

    @property
    def factor(self) -> Factor | None:
        """What it is set to; None where it is not set."""
        match self.side:
            case "good":
                return self.change.before
            case "bad":
                return self.change.now
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Case:
    """Two runs of one cell, and what of their factors differs."""

    cell: Cell
    good: Night
    bad: Night
    by_verdict: bool
    """Whether the verdicts are apart; else the content of some objects is."""
    contents: Mapping[str, tuple[str | None, str | None]]
    """The content hashes, good and bad, of the objects that are not the same in both."""
    moved: tuple[Moved, ...]
    fixed: tuple[Fixed, ...]
    same: tuple[Factor, ...]

    @property
    def suspects(self) -> list[Fixed]:
        """What may be a cause, and cannot be put back."""
        return [each for each in self.fixed if each.why]

    def factors(self, bad: Collection[int]) -> list[Factor]:
        """Return all factors of the good run with some changes, by number, as in the bad one."""
        found = [*self.same]
        found += [each.factor for each in self.fixed if each.factor is not None]
        for number, each in enumerate(self.moved):
            found += each.factors(bad=number in bad)
        return sorted(found, key=lambda factor: factor.key)


def two_nights(
    database: Database, selection: Selection, good: str | None, bad: str | None
) -> tuple[Cell, Night, Night]:
    """Return the cell, and the good and the bad run of it that are meant.

    What is not named is the last good run before the cell became red, and the first bad one with a
    record. Raises SpecificationError where there is none, and for runs of another cell or without
    a record.
    """
    tier = selection.tier.name if selection.tier else ""
    wanted = (selection.variant, selection.dataset or "", tier)
    cells = rows.cells(database, selection.analysis.name)
    cell = next((each for each in cells if (each.variant, each.dataset, each.tier) == wanted), None)
    show = f"reprun history {selection.analysis.name}"
    if cell is None:
        raise SpecificationError(
            f"the history has no run of {selection.analysis.name} in the variant "
            f"{selection.variant}",
            place=str(database.path),
            hint=show,
        )
    red = series.red(rows.nights(database, cell))
    found: list[Night] = []
    for name, night, what in (
        (good, red.last_good if red else None, "good"),
        (bad, (red.recorded or red.first) if red else None, "bad"),
    ):
        if name is None and night is None:
            said = "is not red" if red is None else "has no good run before it became red"
            raise SpecificationError(
                f"{cell.name} {said}: name the {what} run that is meant",
                hint=f"{show}; then: {selection.command('blame', '--good RUN --bad RUN')}",
            )
        chosen = rows.run_called(database, name) if name is not None else night
        assert chosen is not None
        if rows.cell_called(database, chosen) != cell:
            other = rows.cell_called(database, chosen).name
            raise SpecificationError(
                f"the run {chosen.name} is one of {other}, not of {cell.name}", hint=show
            )
        if chosen.state in ENDED_EARLY:
            raise SpecificationError(
                f"the {what} run {chosen.name} of {chosen.day} says nothing: {chosen.state}",
                hint=show,
            )
        if chosen.record is None:
            raise SpecificationError(
                f"the {what} run {chosen.name} of {chosen.day} left no record: it is not known "
                "what it was made from",
                hint=f"{show}; then: {selection.command('blame', f'--{what} RUN')}",
            )
        found.append(chosen)
    return cell, found[0], found[1]


def case_of(
    database: Database, cell: Cell, good: Night, bad: Night, settings: Settings, *, engine: bool
) -> Case:
    """Return what is to be explained; `engine` tells whether the user chose the engine.

    Raises InputsGoneError where neither run can be made again, and SpecificationError where they
    came to the same.
    """
    before, now = (
        {each.name: each.content_hash for each in rows.objects(database, night.report)}
        for night in (good, bad)
    )
    contents = {
        name: (before.get(name), now.get(name))
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    }
    by_verdict = good.verdict != bad.verdict or good.state != bad.state
    if not by_verdict and not contents:
        raise SpecificationError(
            f"the runs {good.name} and {bad.name} came to the same: there is nothing to explain",
            hint=f"reprun diff {good.name} {bad.name}",
        )
    judging_alone = not contents and None not in (good.objects_digest, bad.objects_digest)
    every = side_by_side(database, good.record, bad.record)
    same = [each.now for each in every if each.same and each.now is not None]
    moved: list[Moved] = []
    fixed: list[Fixed] = []
    gone: list[str] = []
    for changes in _together([each for each in every if not each.same]):
        first = changes[0]
        if engine and first.factor.kind == "engine":
            fixed.append(Fixed(first, "this host", "--engine names one"))
            continue
        if first.factor.kind in JUDGING and None in (first.before, first.now):
            # A run that was not compared has none: it is no change.
            fixed.append(Fixed(first, "good" if first.now is None else "bad", ""))
            continue
        obstacles = [_first(map(settings.obstacle, side)) for side in _sides(changes)]
        if judging_alone and first.factor.kind not in JUDGING:
            obstacles[0] = obstacles[0] or "-"  # both made the same: it is not looked at
        match obstacles:
            case "", "":
                moved.append(Moved(changes))
            case why, "":
                why = "" if why == "-" else why
                fixed += [Fixed(each, "bad", why) for each in changes]
            case "", why:
                fixed += [Fixed(each, "good", why) for each in changes]
            case why, _:
                fixed += [Fixed(each, "this host", why) for each in changes]
                if first.factor.kind not in FOUND_BY_A_RUN:
                    gone += [f"{each.name}: {why}" for each in changes]
    gone += [
        f"{Change(each, each).name}: {why}"
        for each in same
        if each.kind not in FOUND_BY_A_RUN and (why := settings.obstacle(each))
    ]
    if gone:
        raise InputsGoneError(
            f"neither of the two runs can be made again:{lines_of(gone)}",
            hint=f"reprun diff {good.name} {bad.name}",
        )
    return Case(
        cell, good, bad, by_verdict, contents, tuple(moved), tuple(fixed), _settable(same, settings)
    )


def _settable(factors: Sequence[Factor], settings: Settings) -> tuple[Factor, ...]:
    """Return factors without those that a run finds by itself, and the engine if it is gone."""
    return tuple(
        each
        for each in factors
        if each.kind not in FOUND_BY_A_RUN
        or (each.kind == "engine" and not settings.obstacle(each))
    )


def _together(changes: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Return changes, with an image that is gone and the one that came in its place as one."""
    gone = [each for each in changes if each.factor.kind == "image" and each.now is None]
    new = [each for each in changes if each.factor.kind == "image" and each.before is None]
    if len(gone) == 1 and len(new) == 1:
        rest = [each for each in changes if each not in (*gone, *new)]
        return [(*gone, *new), *((each,) for each in rest)]
    return [(each,) for each in changes]


def _sides(changes: Sequence[Change]) -> tuple[list[Factor | None], list[Factor | None]]:
    return [each.before for each in changes], [each.now for each in changes]


def _first(obstacles: Iterator[str]) -> str:
    return listed([each for each in obstacles if each], separator="; ")

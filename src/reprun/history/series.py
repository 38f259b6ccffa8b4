"""What the runs of a cell tell together: since when it is red, and whether it is only flaky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reprun.history import rows
from reprun.history.changes import Change, changes
from reprun.history.database import Database
from reprun.history.rows import Night
from reprun.wording import count_of, listed


@dataclass(frozen=True, slots=True)
class Red:
    """The runs up to now that are red, with none between them that is green."""

    first: Night
    latest: Night
    last_good: Night | None
    """The last run before them that reproduced; None where there was none."""
    recorded: Night | None
    """The first of them that left a record: what that was made from is known."""


@dataclass(frozen=True, slots=True)
class Flaky:
    """Two runs that were made from the same and made something else."""

    one: Night
    other: Night
    objects: tuple[str, ...]
    """Those whose content differs."""

    @property
    def sentence(self) -> str:
        """Say so."""
        return (
            f"flaky: the runs {self.one.name} of {self.one.day} and {self.other.name} of "
            f"{self.other.day} were made from the same and differ in {listed(self.objects)}"
        )


def is_red(night: Night) -> bool:
    """Tell whether a run failed, or was judged and did not reproduce."""
    return night.verdict == "not reproduced" or night.state == "failed"


def is_green(night: Night) -> bool:
    """Tell whether a run was judged and reproduced."""
    return night.verdict == "reproduced"


def red(nights: Sequence[Night]) -> Red | None:
    """Return since when a cell is red; None where its last run that says anything was green.

    A run that was interrupted or could not run here, and one without a reference, says nothing:
    it neither ends what is red nor begins it.
    """
    found: list[Night] = []
    last_good: Night | None = None
    for night in reversed(nights):
        if is_green(night):
            last_good = night
            break
        if is_red(night):
            found.insert(0, night)
    if not found:
        return None
    recorded = next((night for night in found if night.record is not None), None)
    return Red(found[0], found[-1], last_good, recorded)


def flaky(database: Database, nights: Sequence[Night]) -> Flaky | None:
    """Return the last two runs that were made from the same and made something else."""
    seen: dict[str, list[Night]] = {}
    found: Flaky | None = None
    for night in nights:
        if night.factors_digest is None or night.report is None:
            continue
        alike = seen.setdefault(night.factors_digest, [])
        if any(each.objects_digest == night.objects_digest for each in alike):
            continue
        for each in reversed(alike):
            # Which objects a report has may be another question of the rules: ask of each.
            if objects := _apart(database, each, night):
                found = Flaky(each, night, objects)
                break
        alike.append(night)
    return found


def _apart(database: Database, one: Night, other: Night) -> tuple[str, ...]:
    before = {each.name: each.content_hash for each in rows.objects(database, one.report)}
    return tuple(
        each.name
        for each in rows.objects(database, other.report)
        if each.name in before
        and None not in (each.content_hash, before[each.name])
        and each.content_hash != before[each.name]
    )


def red_objects(database: Database, nights: Sequence[Night]) -> dict[str, Night]:
    """Return for every object that does not pass now the first run since which it does not."""
    judged = [night for night in nights if night.report is not None]
    known = rows.failing(database, [night.report for night in judged if night.report is not None])
    since: dict[str, Night] = {}
    for night in judged:
        assert night.report is not None
        failing = known[night.report]
        since = {name: since.get(name, night) for name in failing}
    return since


def what_changed(database: Database, found: Red) -> list[Change]:
    """Return what differs between the last good run and the first bad one with a record.

    Where both made the same, only what they are held against can be the cause.
    """
    good, bad = found.last_good, found.recorded
    if good is None or good.record is None or bad is None:
        return []
    same = bad.objects_digest is not None and good.objects_digest == bad.objects_digest
    return changes(database, good.record, bad.record, judging_alone=same)


def sentence(database: Database, nights: Sequence[Night]) -> str | None:
    """Return since when a cell is red and what changed that night; None where it is not red."""
    found = red(nights)
    if found is None:
        return None
    since = f"red since {found.first.day}"
    good, bad = found.last_good, found.recorded
    if good is None:
        first = "its first run here" if found.first is nights[0] else "no run here was good before"
        return f"{since}; {first}"
    if bad is None:
        return (
            f"{since}; that run ended before a step ran, and left no record; the last good run was "
            f"that of {good.day}"
        )
    changed = what_changed(database, found)
    which = "that one" if bad is found.first else "the first after it with a record"
    if changed:
        return (
            f"{since}; between the last good run and {which}: "
            f"{listed(map(str, changed), most=4, separator='; ')}"
        )
    differing = _apart(database, good, bad)
    if differing:
        return (
            f"{since}; flaky: made from the same as the last good run of {good.day}, and "
            f"{count_of(len(differing), 'object')} came out otherwise ({listed(differing)})"
        )
    return f"{since}; nothing that is recorded differs from the last good run of {good.day}"

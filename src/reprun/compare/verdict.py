"""What a comparison answers: verdicts, and the values that carry their reasons."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from reprun.documents.analysis import ComparisonRule
from reprun.histograms import DataObject, Objects, Source, Table
from reprun.wording import count_of, name_shown, quoted

Place: TypeAlias = tuple[int, ...]
"""A bin, as it is counted in `Histogram.values`: 0 is the underflow of an axis."""


class Verdict(StrEnum):
    """The answer for one object, from best to worst."""

    IDENTICAL = "identical"
    """The content hashes are equal."""
    EQUAL = "equal"
    """The numbers differ within the tolerance that the rule states."""
    COMPATIBLE = "compatible"
    """A statistical test of independent samples passes, and the rule allows one."""
    RENAMED = "renamed"
    """The run made under another name what the reference holds: the same, but nobody said so."""
    CHANGED = "changed"
    """The numbers differ, though two independent samples might differ as much: no pass."""
    DIFFERENT = "different"
    """The numbers differ by more than statistics explains."""
    NOT_COMPARABLE = "not comparable"
    """Class, axes, labels, flow bins or stored sumw2 differ, or reprun cannot read the class."""
    EXTRA = "extra"
    """The run made it and the reference lacks it, so nothing vouches for it."""
    MISSING = "missing"
    """The reference holds it and the run did not make it."""
    NEW = "new"
    """There is no reference yet to compare anything with."""

    @property
    def passes(self) -> bool:
        """Whether an object with this verdict counts as reproduced."""
        return self in (Verdict.IDENTICAL, Verdict.EQUAL, Verdict.COMPATIBLE)

    @property
    def severity(self) -> int:
        """0 for the best verdict, rising."""
        return _SEVERITIES[self]


_SEVERITIES = {verdict: severity for severity, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class BinDifference:
    """One bin (or table cell) in which two objects differ.

    `edges` holds (low, high) for each axis, infinite on the outer side of a flow bin; it is
    empty for a table. Errors are sqrt(sumw2), or sqrt(|contents|) where no sumw2 is stored;
    None for a table. `ratio` is monitored over reference, NaN where that is undefined. `pull`
    is the difference over both errors in quadrature: the samples share their events in a
    rerun, so it understates how unlikely the difference is.
    """

    place: Place
    label: str
    edges: tuple[tuple[float, float], ...]
    monitored: float
    reference: float
    monitored_error: float | None
    reference_error: float | None
    ratio: float
    pull: float | None


@dataclass(frozen=True, slots=True)
class Migration:
    """Entries that the reference has in one bin and the run in its neighbour.

    With the events of both sides the ones that moved are named: their values on axis `axis` are on
    both sides of `edge`.
    """

    entries: int
    weight: float
    """Of each of them."""
    source: Place
    """Where the reference has them."""
    target: Place
    axis: int
    edge: float
    """What separates both bins on that axis."""
    sentence: str
    """`1 entry from bin 12 to 13`."""
    events: tuple[str, ...] = ()
    """Those that moved, where a tree has them: `run 194115, event 7, pt 29.99999 / 30.00001`."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One number by which everything that is filled differs."""

    value: float
    sentence: str
    """What is multiplied, and by how much."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How far the numbers of two objects of one structure lie apart, flow bins included."""

    bins: int
    differing: int
    beyond: int
    """Bins that differ by more than the tolerance."""
    beyond_rounding: int
    """Bins that differ by more than the last digits of sums may be off."""
    max_ulp: float
    """In units in the last place of the stored precision; infinite against NaN."""
    max_relative: float
    max_absolute: float
    max_pull: float | None
    """The signed pull that is largest in size; None for tables."""
    within_statistics: bool
    first: tuple[BinDifference, ...]
    """The first five differing bins; those beyond the tolerance if there are any."""
    worst: BinDifference | None = None
    """Of those beyond the tolerance the one with the largest pull, or relative difference where
    none has a pull; None if none is beyond it."""
    integrals: tuple[float, float] | None = None
    """The contents of both sides without flow bins; None for tables, and if no bin is beyond."""
    factor: Factor | None = None
    """Set where all of the difference is a factor in common."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rung of the ladder or one statistical test: its answer and its figures."""

    name: str
    passed: bool
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class About:
    """What an object is, without its numbers: millions of them need not be kept."""

    title: str = ""
    class_name: str = ""
    size: int = 0
    """Bins with flow, or cells."""
    table: bool = False
    reference_empty: bool = False
    axes: tuple[str, ...] = ()
    """Titles of the axes."""

    @classmethod
    def of(cls, monitored: DataObject | None, reference: DataObject | None) -> About:
        """Describe the object of one side, the first if both have it."""
        thing = monitored if monitored is not None else reference
        if thing is None:
            return cls()
        empty = reference is not None and reference.is_empty
        table = isinstance(thing, Table)
        axes = tuple(axis.title for axis in thing.axes)
        return cls(thing.title, thing.class_name, thing.values.size, table, empty, axes)


@dataclass(frozen=True, slots=True)
class Words:
    """What the two sides are called, so that each sentence is about what the reader has."""

    monitored: str = "the run"
    reference: str = "the reference"
    passed: str = "reproduced"
    failed: str = "not reproduced"
    missing: str = "is in the reference, but the run did not make it"
    extra: str = "is not in the reference"
    extra_hint: str = "bless it, or ignore it by a rule that says why"
    option: str | None = None
    """The option that accepts another name; None where analysis.yaml does."""

    @classmethod
    def of_files(cls, monitored: str, reference: str) -> Words:
        """Return the words for two files that are compared with each other on their own."""
        return cls(
            monitored,
            reference,
            "the files agree",
            "the files differ",
            f"is in {reference} only",
            f"is in {monitored} only",
            "if that is meant, ignore it by a rule with a reason",
            "--map",
        )

    def accepting(self, old: str, new: str) -> str:
        """Return what would have to be typed or written for a renamed object to pass."""
        if "*" in old + new or (self.option and "=" in old):
            return "one name on both sides"  # of these a map makes something else
        if self.option is not None:
            return f"one name on both sides, or {self.option} {quoted(f'{old}={new}')}"
        one, other = (json.dumps(name, ensure_ascii=False) for name in (old, new))
        return f"bless the new name, or write into analysis.yaml: map: {{{one}: {other}}}"

    @property
    def headings(self) -> tuple[str, str]:
        """The two names as headings of columns."""
        return self.monitored.removeprefix("the "), self.reference.removeprefix("the ")


@dataclass(frozen=True, slots=True)
class Item:
    """The verdict on one object, and why."""

    name: str
    verdict: Verdict
    headline: str
    """What is wrong, to be read after the name: `bin 12 [103, 106) GeV is 4, reference 5`."""
    sentence: str
    kind: str
    rule: ComparisonRule | None
    about: About
    monitored_hash: str | None = None
    reference_hash: str | None = None
    numbers: Numbers | None = None
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    needed: str = ""
    """What would have to be true for this object to pass; empty where it does."""
    migrated: tuple[Migration, ...] = ()
    """The moves between neighbouring bins that alone explain the difference."""
    renamed_from: str | None = None
    """What the reference calls it, where it is the same under another name."""
    columns: tuple[str, ...] = ()
    """Of a tree, which rules may name one by one."""
    detailed: bool = True
    """Whether checks and differing bins are held; of many thousand objects only the first are."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An object that a rule leaves out of the verdict."""

    name: str
    reason: str
    expires: datetime.date | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All verdicts of one comparison. Build it with `compare`: it never holds no item."""

    items: tuple[Item, ...]
    ignored: tuple[Ignored, ...] = ()
    notes: tuple[str, ...] = ()
    words: Words = Words()
    sides: tuple[Source, Source] = (Objects(), Objects())
    """Where the objects can be read again, to draw them."""

    @property
    def reproduced(self) -> bool:
        """Whether every object passes."""
        return self.worst.passes

    @property
    def worst(self) -> Verdict:
        """The worst verdict of all items."""
        return max((item.verdict for item in self.items), key=lambda verdict: verdict.severity)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many objects have each verdict, best first; verdicts that nobody has are left out."""
        found = Counter(item.verdict for item in self.items)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def failures(self) -> tuple[Item, ...]:
        """The items that do not pass, worst first, then by name."""
        return tuple(item for item in self.ranked if not item.verdict.passes)

    @property
    def ranked(self) -> tuple[Item, ...]:
        """All items, those that do not pass first, the worst at the top, then by name."""
        return tuple(sorted(self.items, key=rank))

    @property
    def sentence(self) -> str:
        """The whole answer in one sentence."""
        total = count_of(len(self.items), "object")
        if self.worst is Verdict.NEW:
            return f"no reference: {total}, nothing to compare yet"
        left_out = f"; {len(self.ignored)} ignored" if self.ignored else ""
        if self.reproduced:
            return f"{self.words.passed}: {total}, {self._passes()}{left_out}"
        failed = self.failures
        kinds: Counter[Verdict] = Counter(item.verdict for item in failed)
        example = f"{name_shown(failed[0].name)} {failed[0].headline}"
        share = f"{len(failed):,} of {total}"
        if len(kinds) > 1:
            named = ", ".join(f"{number} {verdict}" for verdict, number in kinds.items())
            return f"{self.words.failed}: {share} failed ({named}); {example}{left_out}"
        lead = ": " if len(failed) == 1 else "; first "
        return f"{self.words.failed}: {share} {failed[0].verdict}{lead}{example}{left_out}"

    def _passes(self) -> str:
        counts = self.counts
        if list(counts) == [Verdict.IDENTICAL]:
            return "all identical" if len(self.items) > 1 else "identical"
        parts = []
        for verdict, number in counts.items():
            within = f" within {self._tolerance()}" if verdict is Verdict.EQUAL else ""
            parts.append(f"{number} {verdict}{within}")
        return ", ".join(parts)

    def _tolerance(self) -> str:
        rules = [item.rule for item in self.items if item.verdict is Verdict.EQUAL and item.rule]
        relative = max((rule.relative for rule in rules), default=0.0)
        absolute = max((rule.absolute for rule in rules), default=0.0)
        texts = [f"{relative:g}"] if relative else []
        texts += [f"{absolute:g} absolute"] if absolute else []
        moved = max((_entries(item) for item in self.items if item.verdict.passes), default=0)
        texts += [count_of(moved, "migrated entry", "migrated entries")] if moved else []
        trees = all(item.columns for item in self.items if item.verdict is Verdict.EQUAL)
        otherwise = "what the rules allow" if trees else "rounding of the edges"
        return " or ".join(texts) or otherwise


def _entries(item: Item) -> int:
    return sum(move.entries for move in item.migrated)


def rank(item: Item) -> tuple[bool, int, str]:
    """Return the place of an item among others: failures first, worst first, then by name."""
    return item.verdict.passes, -item.verdict.severity, item.name

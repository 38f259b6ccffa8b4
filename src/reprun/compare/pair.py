"""One object of both sides: structure, then content hash, then numbers, then tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reprun.compare.factor import FEWEST, common_factor
from reprun.compare.headline import headline_of, sentence_of_difference, two_figures
from reprun.compare.migration import migrations, sentence_of
from reprun.compare.moved_events import EventsApart
from reprun.compare.numeric import (
    SHOWN,
    Tolerance,
    beyond_places,
    flow_sides,
    numeric_difference,
)
from reprun.compare.policy import DEFAULT_KIND, Policy
from reprun.compare.sampled import Tested, apply_tests
from reprun.compare.structure import edges_differ_in_rounding, structure_difference
from reprun.compare.trees import judge_trees
from reprun.compare.verdict import (
    About,
    Check,
    Item,
    Migration,
    Numbers,
    Verdict,
    Words,
)
from reprun.digests import digest_of_mapping
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import DataObject, Histogram, Objects, Source, Unread, content_hash
from reprun.histograms.model import BYTES
from reprun.wording import count_of, listed

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one object before the tests of all objects are weighed together."""

    item: Item
    tested: Tested | None = None
    apart: EventsApart | None = None
    """Of a tree, where to see the events that differ."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Two sides and what they are evaluated by."""

    monitored: Source
    reference: Source
    policy: Policy
    words: Words
    detailed: bool = True
    """Whether every figure is kept, or only what the verdict needs."""

    def judge(self, names: list[str]) -> list[Judged]:
        """Read and judge the objects of some names; none of their arrays is kept."""
        sides = self.monitored.only(names), self.reference.only(names)
        return [
            self._unread(name, *sides)
            if name in sides[0].unread or name in sides[1].unread
            else self._judge_one(name, sides[0].get(name), sides[1].get(name))
            for name in names
        ]

    def _unread(self, name: str, monitored: Objects, reference: Objects) -> Judged:
        one, other = monitored.unread.get(name), reference.unread.get(name)
        if one and other and one.reason == other.reason and one.is_tree and other.is_tree:
            item, apart = judge_trees(name, one, other, self.policy)
            return Judged(self._with_notes(item), apart=apart)
        decoded = name in monitored or name in reference
        return Judged(self._with_notes(self._undecoded(name, one, other, decoded=decoded)))

    def _undecoded(
        self, name: str, one: Unread | None, other: Unread | None, *, decoded: bool
    ) -> Item:
        rule = self.policy.rule_for(name)
        if one is not None and other is not None:
            return _known_by_bytes(name, rule, one, other)
        if decoded:
            what = one or other
            return _not_compared(name, rule, f"cannot be compared by this version ({what})")
        item = _unpaired(name, rule, one is not None, other is not None, About(), self.words)
        return replace(item, monitored_hash=_hash_of(one), reference_hash=_hash_of(other))

    def _judge_one(self, name: str, one: DataObject | None, other: DataObject | None) -> Judged:
        rule = self.policy.rule_for(name)
        tested: Tested | None = None
        if one is None or other is None:
            about = About.of(one, other)
            item = _unpaired(name, rule, one is not None, other is not None, about, self.words)
            item = replace(
                item,
                monitored_hash=None if one is None else content_hash(one),
                reference_hash=None if other is None else content_hash(other),
            )
        else:
            item = _pair(name, rule, one, other, detailed=self.detailed)
            if rule and rule.kind == "sampled" and item.numbers and not item.verdict.passes:
                sources = self.monitored, self.reference
                tested = apply_tests(name, rule, one, other, sources, detailed=self.detailed)
        return Judged(self._with_notes(item, one, other), tested)

    def _with_notes(
        self, item: Item, one: DataObject | None = None, other: DataObject | None = None
    ) -> Item:
        notes: list[str] = []
        if item.rule is None and self.policy.rules:
            notes.append("no rule matches this name: compared exactly")
        if expired := self.policy.expired_for(item.name):
            notes.append(
                f"the rule '{expired.match}' ({expired.kind}) expired on {expired.expires}: "
                "not applied"
            )
        sides = (self.words.monitored, one), (self.words.reference, other)
        for side, thing in sides:
            if thing is None:
                continue
            if broken := int(np.count_nonzero(~np.isfinite(thing.values))):
                what = count_of(broken, "number")
                notes.append(f"{what} in {side} not finite (NaN or infinite)")
            stored = thing.sumw2 if isinstance(thing, Histogram) else None
            if stored is not None and (stored < 0).any():
                notes.append(f"negative sumw2 in {side}")
        return replace(item, notes=(*item.notes, *notes)) if notes else item


def _pair(
    name: str,
    rule: ComparisonRule | None,
    one: DataObject,
    other: DataObject,
    *,
    detailed: bool = True,
) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    about = About.of(one, other)
    hashes = content_hash(one), content_hash(other)
    if hashes[0] == hashes[1]:
        hashes = hashes[0], hashes[0]

    def item(
        verdict: Verdict, headline: str, sentence: str, *checks: Check,
        numbers: Numbers | None, needed: str = "",
    ) -> Item:  # fmt: skip
        return Item(
            name, verdict, headline, sentence, kind, rule, about, *hashes, numbers,
            checks if detailed else (), needed=needed, detailed=detailed,
        )  # fmt: skip

    structure = structure_difference(one, other)
    if structure is not None:
        check = Check("structure", passed=False, sentence=structure)
        return item(
            Verdict.NOT_COMPARABLE, structure, structure, check, numbers=None,
            needed="class, axes, labels, flow bins and stored sumw2 must agree",
        )  # fmt: skip
    agreeing = "class, axes, flow bins, labels and stored sumw2"
    agreeing = agreeing if isinstance(one, Histogram) else "rows and columns"
    same = Check("structure", passed=True, sentence=f"{agreeing} agree")
    if hashes[0] == hashes[1] and _difference_besides(one, other, Tolerance()) is None:
        check = Check("content hash", passed=True, sentence="the content hashes are equal")
        sentence = f"{_extent(one)}, all the same"
        return item(Verdict.IDENTICAL, "", sentence, same, check, numbers=None)
    hashed = Check("content hash", passed=False, sentence="the content hashes differ")
    tolerance = Tolerance(rule.relative, rule.absolute) if rule else Tolerance()
    numbers = numeric_difference(one, other, tolerance, SHOWN if detailed else 1)
    besides = _difference_besides(one, other, tolerance)
    moves = _moves(rule, one, other) if numbers.beyond else ()
    allowed = bool(moves) and _allowed(moves, rule, one, other, tolerance)
    passed = (allowed or not numbers.beyond) and besides is None
    if passed:
        verdict, headline = Verdict.EQUAL, ""
        unhashed = hashes[0] == hashes[1]
        sentence = _equal_sentence(one, other, numbers, tolerance, besides=unhashed)
        if allowed and rule is not None:
            sentence = (
                f"{sentence_of(moves)}; {count_of(rule.migrated, 'entry', 'entries')} allowed"
            )
    elif numbers.beyond:
        verdict = Verdict.CHANGED if numbers.within_statistics else Verdict.DIFFERENT
        if not moves and numbers.beyond >= FEWEST:
            numbers = replace(numbers, factor=common_factor(one, other))
        sentence = sentence_of_difference(one, numbers, tolerance)
        headline = sentence_of(moves) if moves else headline_of(one, numbers)
        sentence = f"{headline}; {sentence}" if moves else sentence
        sentence += _flow(one, other, tolerance)
        sentence += f"; {besides}" if besides else ""
    else:
        verdict = Verdict.CHANGED
        headline = sentence = _only(str(besides), numbers, tolerance)
    figures = {
        "max_ulp": numbers.max_ulp,
        "max_relative": numbers.max_relative,
        "max_absolute": numbers.max_absolute,
    }
    checks = [same, hashed, Check("numbers", passed=passed, sentence=sentence, figures=figures)]
    if moves:
        moved = {"entries": float(sum(move.entries for move in moves))}
        checks.append(Check("migration", allowed, sentence_of(moves), moved))
    if not detailed:
        numbers = replace(numbers, first=(), worst=None)
    found = item(
        verdict, headline, sentence, *checks, numbers=numbers,
        needed="" if passed else _needed(numbers, rule, besides, moves),
    )  # fmt: skip
    return replace(found, migrated=moves) if moves else found


def _moves(
    rule: ComparisonRule | None, one: DataObject, other: DataObject
) -> tuple[Migration, ...]:
    """Return the entries that moved to a neighbouring bin; of other events none is known to."""
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return () if rule and rule.kind == "sampled" else migrations(one, other)
    return ()


def _allowed(
    moves: Sequence[Migration],
    rule: ComparisonRule | None,
    one: DataObject,
    other: DataObject,
    tolerance: Tolerance,
) -> bool:
    """Say whether a rule allows as many to move, and nothing else differs beyond its tolerance."""
    assert isinstance(one, Histogram)
    assert isinstance(other, Histogram)
    if rule is None or sum(move.entries for move in moves) > rule.migrated:
        return False
    places = {place for move in moves for place in (move.source, move.target)}
    explained = {int(np.ravel_multi_index(place, one.values.shape)) for place in places}
    return explained.issuperset(beyond_places(one, other, tolerance).tolist())


def _flow(one: DataObject, other: DataObject, tolerance: Tolerance) -> str:
    if not (isinstance(one, Histogram) and isinstance(other, Histogram)):
        return ""
    sides = flow_sides(one, other, tolerance)
    if not sides:
        return ""
    plural = "s" if len(sides) > 1 or len(one.axes) > 1 else ""
    return f"; differs only in the {listed(sides, last=' and ')} bin{plural}"


def _only(besides: str, numbers: Numbers, tolerance: Tolerance) -> str:
    """Say what alone differs of two objects whose numbers agree."""
    if numbers.differing:
        return f"only {besides}; the numbers differ by no more than {tolerance}"
    return f"only {besides}"


def _unpaired(
    name: str,
    rule: ComparisonRule | None,
    in_run: bool,
    in_reference: bool,
    about: About,
    words: Words,
) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    if not in_run:
        return Item(name, Verdict.MISSING, words.missing, words.missing, kind, rule, about)
    assert not in_reference
    sentence = f"{words.extra}: {words.extra_hint}"
    return Item(name, Verdict.EXTRA, words.extra, sentence, kind, rule, about)


def _known_by_bytes(name: str, rule: ComparisonRule | None, one: Unread, other: Unread) -> Item:
    """Compare what is not decoded: it is the same where all its digests are, and else unknown."""
    if one.reason != other.reason:
        return _not_compared(name, rule, f"is a {one.reason}, reference a {other.reason}")
    cannot = f"cannot be compared by this version ({one})"
    if not (one.parts and other.parts):
        return _not_compared(name, rule, cannot)
    hashes = digest_of_mapping(one.parts), digest_of_mapping(other.parts)
    differing = [
        part
        for part in sorted(one.parts.keys() | other.parts.keys())
        if one.parts.get(part) != other.parts.get(part)
    ]
    if differing == [BYTES]:
        item = _not_compared(name, rule, f"{cannot}; its stored bytes differ")
        return replace(item, monitored_hash=hashes[0], reference_hash=hashes[1])
    kind = rule.kind if rule else DEFAULT_KIND
    about = About(class_name=one.reason)
    if not differing:
        whole = one.parts.keys() == {BYTES}
        what = "its stored bytes" if whole else count_of(len(one.parts), "part")
        sentence = f"{what}, all the same ({one})"
        check = Check("content hash", passed=True, sentence=sentence)
        return Item(
            name, Verdict.IDENTICAL, "", sentence, kind, rule, about, hashes[0], hashes[0],
            checks=(check,),
        )  # fmt: skip
    headline = f"differs in {listed(differing, most=3)}"
    sentence = f"{headline}, of {count_of(len(one.parts.keys() | other.parts.keys()), 'part')}"
    return Item(
        name, Verdict.DIFFERENT, headline, sentence, kind, rule, about, *hashes,
        checks=(Check("content hash", passed=False, sentence=sentence),),
        needed="all its parts must be the same",
    )  # fmt: skip


def _hash_of(unread: Unread | None) -> str | None:
    """Return the digest of what is known of an object that no reader decodes, if anything is."""
    return digest_of_mapping(unread.parts) if unread is not None and unread.parts else None


def _not_compared(name: str, rule: ComparisonRule | None, headline: str) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    sentence = f"{headline}: ignore it by a rule that says why"
    return Item(name, Verdict.NOT_COMPARABLE, headline, sentence, kind, rule, About())


def _extent(thing: DataObject) -> str:
    if isinstance(thing, Histogram):
        return f"{count_of(thing.values.size, 'bin')} with flow"
    return count_of(thing.values.size, "number")


def _needed(
    numbers: Numbers,
    rule: ComparisonRule | None,
    besides: str | None,
    moves: Sequence[Migration] = (),
) -> str:
    """Return what would have to be true for two objects of one structure to pass."""
    if not numbers.beyond:
        return f"what is stored besides the bins must agree too ({besides})"
    if moves:
        entries = sum(move.entries for move in moves)
        return f"all numbers equal; a rule would need migrated: {entries}, with a reason"
    if not np.isfinite(numbers.max_relative):
        return "no rule passes a number that is not finite on one side only"
    name, least = "relative", _rounded_up(numbers.max_relative)
    if least >= 1:
        # A relative tolerance of 1 would let any number pass for zero, and is refused.
        name, least = "absolute", _rounded_up(numbers.max_absolute)
    if not np.isfinite(least):
        return "no rule passes a difference that no float can hold"
    needed = f"{name}: {least:.10g}, with a reason"
    if rule is not None and rule.kind == "float":
        return f"all numbers within the tolerance; it would take {needed}"
    return f"all numbers equal; a rule of kind float would need {needed}"


@np.errstate(over="ignore", divide="ignore")
def _rounded_up(value: float) -> float:
    """Return a number with two digits that is not below `value`; infinite where none is."""
    if not np.isfinite(value):
        return value
    # There is no tenth of the smallest numbers.
    step = max(10.0 ** (np.floor(np.log10(value)) - 1), SMALLEST)
    return float(np.ceil(value / step * (1 - 1e-12)) * step)


def _difference_besides(one: DataObject, other: DataObject, tolerance: Tolerance) -> str | None:
    """Return what is wrong with the numbers that are stored besides the bins."""
    if (one.entries, one.sums) == (other.entries, other.sums):
        return None  # of many thousand pairs nearly all
    return _entries_difference(one, other, tolerance) or _sums_difference(one, other, tolerance)


def _entries_difference(one: DataObject, other: DataObject, tolerance: Tolerance) -> str | None:
    """Return what is wrong with the number of fills; formats without one are not held to it."""
    if one.entries is None or other.entries is None:
        return None
    if tolerance.allows(np.array([one.entries]), np.array([other.entries])).all():
        return None
    a, b = two_figures(one.entries, other.entries)
    return f"the number of entries differs: {a} / {b}"


SUMS = ("w", "w²", "wx", "wx²", "wy", "wy²", "wxy", "wz", "wz²", "wxz", "wyz", "wt", "wt²")
"""What is summed up, in the order of `Histogram.sums`; t is the value that a cube of means has."""


def _sums_difference(one: DataObject, other: DataObject, tolerance: Tolerance) -> str | None:
    """Return what is wrong with the stored sums over fills, where both sides have them.

    They are added up in the order of the fills: where the numbers may differ, so may they.
    """
    if not (one.sums and other.sums):
        return None
    sides = np.array(one.sums), np.array(other.sums)
    if len(sides[0]) != len(sides[1]):
        return f"the number of stored sums differs: {len(sides[0])} / {len(sides[1])}"
    same = tolerance.allows(*sides) | (np.isnan(sides[0]) & np.isnan(sides[1]))
    apart = np.flatnonzero(~same)
    if not apart.size:
        return None
    first = int(apart[0])
    a, b = two_figures(sides[0][first], sides[1][first])
    return f"the stored sum of {SUMS[first]} differs: {a} / {b} (another mean or width)"


def _equal_sentence(
    one: DataObject, other: DataObject, numbers: Numbers, tolerance: Tolerance, *, besides: bool
) -> str:
    """Say how two objects pass; `besides`: only what the content hash does not cover differs."""
    if numbers.differing:
        return (
            f"{numbers.differing:,} of {_extent(one)} differ by at most "
            f"{numbers.max_relative:.2g} relative; {tolerance} allowed"
        )
    if besides:
        return f"{_extent(one)}, all the same; stored sums differ, by no more than {tolerance}"
    if edges_differ_in_rounding(one, other):
        return f"{_extent(one)}, all the same; edges differ in rounding"
    if all(isinstance(thing, Histogram) and thing.entries is not None for thing in (one, other)):
        return f"{_extent(one)}, all the same; entries differ, by no more than {tolerance}"
    return f"{_extent(one)}, all the same; the number of entries is stored on one side only"

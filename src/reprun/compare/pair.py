"""One object of both sides: structure, then content hash, then numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reprun.compare.factor import FEWEST, common_factor
from reprun.compare.headline import headline_of, sentence_of_difference, two_figures
from reprun.compare.migration import MOST_BINS, migrations, sentence_of
from reprun.compare.numeric import Pair
from reprun.compare.policy import DEFAULT_KIND
from reprun.compare.structure import edges_differ_in_rounding, structure_difference
from reprun.compare.tolerance import Tolerance, beyond_places, flow_axes, flow_sides
from reprun.compare.verdict import About, Check, Item, Migration, Numbers, Verdict
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import DataObject, Histogram, content_hash
from reprun.wording import count_of, listed

SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True, slots=True)
class Begun:
    """Two objects whose structure and content hashes are known."""

    name: str
    rule: ComparisonRule | None
    pair: Pair
    about: About
    hashes: tuple[str, str]
    detailed: bool
    """Whether every figure is kept, or only what the verdict needs."""

    @property
    def same(self) -> bool:
        """Whether the content hashes are equal."""
        return self.hashes[0] == self.hashes[1]


def begin(
    name: str,
    rule: ComparisonRule | None,
    one: DataObject,
    other: DataObject,
    *,
    detailed: bool = True,
) -> Begun | Item:
    """Look at all of two objects but how far their numbers lie apart; that may be the verdict."""
    tolerance = Tolerance(rule.relative, rule.absolute) if rule else Tolerance()
    hashes = content_hash(one), content_hash(other)
    if hashes[0] == hashes[1]:
        hashes = hashes[0], hashes[0]
    about = About.of(one, other)
    begun = Begun(name, rule, Pair(one, other, tolerance), about, hashes, detailed)
    structure = structure_difference(one, other)
    if structure is not None:
        checks = (Check("structure", passed=False, sentence=structure),)
        needed = "class, axes, labels, flow bins and stored sumw2 must agree"
        return _item(begun, Verdict.NOT_COMPARABLE, structure, structure, checks, needed=needed)
    if begun.same and _difference_besides(one, other, Tolerance()) is None:
        hashed = Check("content hash", passed=True, sentence="the content hashes are equal")
        sentence = f"{_extent(one)}, all the same"
        return _item(begun, Verdict.IDENTICAL, "", sentence, (_agreeing(one), hashed))
    return begun


def conclude(begun: Begun, numbers: Numbers) -> Item:
    """Return the verdict on two objects of one structure whose numbers lie so far apart."""
    rule, tolerance = begun.rule, begun.pair.tolerance
    one, other = begun.pair.monitored, begun.pair.reference
    besides = _difference_besides(one, other, tolerance)
    moves = _moves(rule, one, other, numbers)
    allowed = bool(moves) and _allowed(moves, rule, one, other, tolerance)
    passed = (allowed or not numbers.beyond) and besides is None
    if passed:
        verdict, headline = Verdict.EQUAL, ""
        sentence = _equal_sentence(one, other, numbers, tolerance, besides=begun.same)
        if allowed and rule is not None:
            sentence = (
                f"{sentence_of(moves)}; {count_of(rule.migrated, 'entry', 'entries')} allowed"
            )
    elif numbers.beyond:
        verdict = Verdict.CHANGED if numbers.within_statistics else Verdict.DIFFERENT
        factor = common_factor(one, other) if not moves and numbers.beyond >= FEWEST else None
        numbers = numbers if factor is None else replace(numbers, factor=factor)
        sentence = sentence_of_difference(one, numbers, tolerance)
        headline = sentence_of(moves) if moves else headline_of(one, numbers)
        sentence = f"{headline}; {sentence}" if moves else sentence
        sentence += _flow(one, other, numbers, tolerance)
        sentence += f"; {besides}" if besides else ""
    else:
        verdict = Verdict.CHANGED
        headline = sentence = _only(str(besides), numbers, tolerance)
    return _item(
        begun,
        verdict,
        headline,
        sentence,
        _checks(one, passed, sentence, numbers, moves, allowed) if begun.detailed else (),
        numbers=numbers if begun.detailed else replace(numbers, first=(), worst=None),
        needed="" if passed else _needed(numbers, rule, besides, moves),
        migrated=moves,
    )


def _item(
    begun: Begun,
    verdict: Verdict,
    headline: str,
    sentence: str,
    checks: tuple[Check, ...],
    *,
    numbers: Numbers | None = None,
    needed: str = "",
    migrated: tuple[Migration, ...] = (),
) -> Item:
    return Item(
        begun.name,
        verdict,
        headline,
        sentence,
        begun.rule.kind if begun.rule else DEFAULT_KIND,
        begun.rule,
        begun.about,
        *begun.hashes,
        numbers,
        checks if begun.detailed else (),
        needed=needed,
        migrated=migrated,
        detailed=begun.detailed,
    )


def _agreeing(thing: DataObject) -> Check:
    parts = "class, axes, flow bins, labels and stored sumw2"
    parts = parts if isinstance(thing, Histogram) else "rows and columns"
    return Check("structure", passed=True, sentence=f"{parts} agree")


def _checks(
    thing: DataObject,
    passed: bool,
    sentence: str,
    numbers: Numbers,
    moves: Sequence[Migration],
    allowed: bool,
) -> tuple[Check, ...]:
    """Return the rungs of the ladder that two objects of one structure stood on."""
    figures = {
        "max_ulp": numbers.max_ulp,
        "max_relative": numbers.max_relative,
        "max_absolute": numbers.max_absolute,
    }
    checks = [
        _agreeing(thing),
        Check("content hash", passed=False, sentence="the content hashes differ"),
        Check("numbers", passed=passed, sentence=sentence, figures=figures),
    ]
    if moves:
        moved = {"entries": float(sum(move.entries for move in moves))}
        checks.append(Check("migration", allowed, sentence_of(tuple(moves)), moved))
    return tuple(checks)


def _moves(
    rule: ComparisonRule | None, one: DataObject, other: DataObject, numbers: Numbers
) -> tuple[Migration, ...]:
    """Return the entries that moved to a neighbouring bin; of other events none is known to."""
    if not numbers.beyond or numbers.beyond_rounding > MOST_BINS:
        return ()
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


def _flow(one: DataObject, other: DataObject, numbers: Numbers, tolerance: Tolerance) -> str:
    if not (isinstance(one, Histogram) and isinstance(other, Histogram)):
        return ""
    if numbers.worst is None or not flow_axes(numbers.worst.place, one.values.shape):
        return ""  # a bin that is no flow bin differs too
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
    if tolerance.allows_number(one.entries, other.entries):
        return None
    a, b = two_figures(float(one.entries), float(other.entries))
    return f"the number of entries differs: {a} / {b}"


SUMS = ("w", "w²", "wx", "wx²", "wy", "wy²", "wxy", "wz", "wz²", "wxz", "wyz", "wt", "wt²")
"""What is summed up, in the order of `Histogram.sums`; t is the value that a cube of means has."""


def _sums_difference(one: DataObject, other: DataObject, tolerance: Tolerance) -> str | None:
    """Return what is wrong with the stored sums over fills, where both sides have them.

    They are added up in the order of the fills: where the numbers may differ, so may they.
    """
    if not (one.sums and other.sums):
        return None
    if len(one.sums) != len(other.sums):
        return f"the number of stored sums differs: {len(one.sums)} / {len(other.sums)}"
    pairs = list(zip(one.sums, other.sums, strict=True))
    apart = (
        index
        for index, (a, b) in enumerate(pairs)
        if not (tolerance.allows_number(a, b) or (math.isnan(a) and math.isnan(b)))
    )
    first = next(apart, None)
    if first is None:
        return None
    a, b = two_figures(*map(float, pairs[first]))
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

"""The ladder: structure, then content hash, then numbers; one verdict for every object."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reprun.compare.numeric import Tolerance, numeric_difference
from reprun.compare.policy import DEFAULT_KIND, Policy
from reprun.compare.sampled import Tested, apply_tests, judge_samples
from reprun.compare.structure import edges_differ_in_rounding, structure_difference
from reprun.compare.verdict import (
    BinDifference,
    Check,
    Comparison,
    Ignored,
    Item,
    Numbers,
    Verdict,
)
from reprun.errors import NothingToCompareError
from reprun.histograms import DataObject, Histogram, Objects, Table, content_hash
from reprun.spec import ComparisonRule
from reprun.wording import count_of

SIGN = "ignore it by a rule that says why"


def compare(
    monitored: Objects,
    reference: Objects,
    rules: Sequence[ComparisonRule],
    today: datetime.date,
    *,
    shared_events: bool = False,
) -> Comparison:
    """Compare everything a run made with everything its reference holds.

    Objects are matched by name. A rule holds up to and including the day it expires. An
    object without a rule is compared exactly. With `shared_events` both sides were made from
    the same input events: then the kind `sampled` excuses nothing. Raises
    NothingToCompareError if either side holds nothing, if the rules ignore everything or if
    every object is empty on both sides.
    """
    policy = Policy(rules, today)
    for label, side in (("the run made", monitored), ("the reference holds", reference)):
        if not side and not side.unsupported:
            raise NothingToCompareError(f"{label} no histogram and no table")
    unreadable = {**reference.unsupported, **monitored.unsupported}
    names = sorted({*monitored, *reference, *unreadable})
    items: list[Item] = []
    tested: dict[str, Tested] = {}
    ignored: list[Ignored] = []
    for name in names:
        rule = policy.rule_for(name)
        if rule is not None and rule.kind == "ignore":
            ignored.append(Ignored(name, rule.reason or "", rule.expires))
            continue
        one, other = monitored.get(name), reference.get(name)
        if name in unreadable:
            item = _unsupported(name, rule, unreadable[name])
        elif one is None or other is None:
            item = _unpaired(name, rule, one, other)
        else:
            item = _pair(name, rule, one, other)
            if rule and rule.kind == "sampled" and item.numbers and not item.verdict.passes:
                tested[name] = apply_tests(name, rule, one, other, (monitored, reference))
        items.append(_with_notes(item, policy))
    items, family_notes = judge_samples(items, tested, shared_events=shared_events)
    if not items:
        raise NothingToCompareError(
            f"the rules ignore all of {count_of(len(ignored), 'object')}: "
            "nothing is left to compare"
        )
    if all(item.verdict.passes and _no_power(item) for item in items):
        raise NothingToCompareError(
            f"all of {count_of(len(items), 'object')} are empty in the run and in the reference: "
            "their agreement proves nothing"
        )
    return Comparison(
        tuple(items), tuple(ignored), (*family_notes, *_overall_notes(policy, names, monitored))
    )


def _pair(name: str, rule: ComparisonRule | None, one: DataObject, other: DataObject) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    hashes = content_hash(one), content_hash(other)

    def item(
        verdict: Verdict, headline: str, sentence: str, *checks: Check,
        numbers: Numbers | None, needed: str = "",
    ) -> Item:  # fmt: skip
        return Item(
            name, verdict, headline, sentence, kind, rule, one, other, *hashes, numbers, checks,
            needed=needed,
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
    if hashes[0] == hashes[1]:
        check = Check("content hash", passed=True, sentence="the content hashes are equal")
        sentence = f"{_extent(one)}, all the same"
        return item(Verdict.IDENTICAL, "", sentence, same, check, numbers=None)
    hashed = Check("content hash", passed=False, sentence="the content hashes differ")
    tolerance = Tolerance(rule.relative, rule.absolute) if rule else Tolerance()
    numbers = numeric_difference(one, other, tolerance)
    entries = _entries_difference(one, other, tolerance)
    passed = not numbers.beyond and entries is None
    if passed:
        verdict, headline = Verdict.EQUAL, ""
        sentence = _equal_sentence(one, other, numbers, tolerance)
    else:
        usual = Verdict.CHANGED if numbers.within_statistics else Verdict.DIFFERENT
        verdict = usual if numbers.beyond else Verdict.CHANGED
        headline = _bin_sentence(numbers.first[0]) if numbers.beyond else str(entries)
        sentence = headline + _extent_of_difference(one, numbers, tolerance)
        if numbers.beyond and entries is not None:
            sentence += f"; {entries}"
    figures = {
        "max_ulp": numbers.max_ulp,
        "max_relative": numbers.max_relative,
        "max_absolute": numbers.max_absolute,
    }
    check = Check("numbers", passed=passed, sentence=sentence, figures=figures)
    return item(
        verdict, headline, sentence, same, hashed, check, numbers=numbers,
        needed="" if passed else _needed(numbers, rule, entries),
    )  # fmt: skip


def _unpaired(
    name: str, rule: ComparisonRule | None, one: DataObject | None, other: DataObject | None
) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    if one is None:
        assert other is not None
        verdict, headline = Verdict.MISSING, "is in the reference, but the run did not make it"
        return Item(
            name, verdict, headline, headline, kind, rule,
            reference=other, reference_hash=content_hash(other),
        )  # fmt: skip
    verdict, headline = Verdict.EXTRA, "is not in the reference"
    sentence = f"{headline}: bless it, or {SIGN}"
    return Item(
        name, verdict, headline, sentence, kind, rule,
        monitored=one, monitored_hash=content_hash(one),
    )  # fmt: skip


def _unsupported(name: str, rule: ComparisonRule | None, class_name: str) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    headline = f"cannot be compared by this version ({class_name})"
    return Item(name, Verdict.NOT_COMPARABLE, headline, f"{headline}: {SIGN}", kind, rule)


def _with_notes(item: Item, policy: Policy) -> Item:
    notes: list[str] = []
    if item.rule is None:
        notes.append("no rule matches this name: compared exactly")
    if expired := policy.expired_for(item.name):
        notes.append(
            f"the rule '{expired.match}' ({expired.kind}) expired on {expired.expires}: not applied"
        )
    if item.verdict.passes and _no_power(item):
        notes.append("empty on both sides: this agreement has no power")
    for side, thing in (("run", item.monitored), ("reference", item.reference)):
        if thing is None:
            continue
        if broken := int(np.count_nonzero(~np.isfinite(thing.values))):
            notes.append(f"{count_of(broken, 'number')} in the {side} not finite (NaN or infinite)")
        if isinstance(thing, Histogram) and thing.sumw2 is not None and (thing.sumw2 < 0).any():
            notes.append(f"negative sumw2 in the {side}")
    return replace(item, notes=(*item.notes, *notes))


def _no_power(item: Item) -> bool:
    return item.reference is not None and item.reference.is_empty


def _overall_notes(policy: Policy, names: Sequence[str], monitored: Objects) -> tuple[str, ...]:
    notes = [
        f"the rule '{rule.match}' ({rule.kind}) expired on {rule.expires} and was not applied"
        for rule in policy.expired
    ]
    notes += [
        f"the rule '{rule.match}' ({rule.kind}) matches no object" for rule in policy.idle(names)
    ]
    if monitored.skipped:
        classes = ", ".join(sorted(set(monitored.skipped.values())))
        notes.append(
            f"{count_of(len(monitored.skipped), 'object')} of the run's files are no histograms "
            f"({classes}) and were not compared"
        )
    return tuple(notes)


def _extent(thing: DataObject) -> str:
    if isinstance(thing, Histogram):
        return f"{count_of(thing.values.size, 'bin')} with flow"
    return count_of(thing.values.size, "number")


def _needed(numbers: Numbers, rule: ComparisonRule | None, entries: str | None) -> str:
    """Return what would have to be true for two objects of one structure to pass."""
    if not numbers.beyond:
        return f"the number of entries must agree ({entries})"
    if not np.isfinite(numbers.max_relative):
        return "no rule passes a number that is not finite on one side only"
    needed = f"relative: {_rounded_up(numbers.max_relative)}, with a reason"
    if rule is not None and rule.kind == "float":
        return f"all numbers within the tolerance; it would take {needed}"
    return f"all numbers equal; a rule of kind float would need {needed}"


def _rounded_up(value: float) -> str:
    """Return a number with two digits that is not below `value`."""
    step = 10.0 ** (np.floor(np.log10(value)) - 1)
    return f"{np.ceil(value / step * (1 - 1e-12)) * step:.2g}"


def _entries_difference(one: DataObject, other: DataObject, tolerance: Tolerance) -> str | None:
    """Return what is wrong with the number of fills; formats without one are not held to it."""
    if not (isinstance(one, Histogram) and isinstance(other, Histogram)):
        return None
    if one.entries is None or other.entries is None:
        return None
    if tolerance.allows(np.array([one.entries]), np.array([other.entries])).all():
        return None
    a, b = _figures(one.entries, other.entries)
    return f"has {a} entries, reference {b}"


def _equal_sentence(
    one: DataObject, other: DataObject, numbers: Numbers, tolerance: Tolerance
) -> str:
    if numbers.differing:
        return (
            f"{numbers.differing:,} of {_extent(one)} differ by at most "
            f"{numbers.max_relative:.2g} relative; {tolerance} allowed"
        )
    if edges_differ_in_rounding(one, other):
        return f"{_extent(one)}, all the same; edges differ in rounding"
    if all(isinstance(thing, Histogram) and thing.entries is not None for thing in (one, other)):
        return f"{_extent(one)}, all the same; entries differ, by no more than {tolerance}"
    return f"{_extent(one)}, all the same; the number of entries is stored on one side only"


def _extent_of_difference(thing: DataObject, numbers: Numbers, tolerance: Tolerance) -> str:
    noun = "bin" if isinstance(thing, Histogram) else "number"
    if not numbers.beyond:
        return f"; the {noun}s agree"
    differ = "differs" if numbers.beyond == 1 else "differ"
    text = f"; {numbers.beyond:,} of {count_of(numbers.bins, noun)} {differ}"
    if isinstance(thing, Table) and len(thing.rows) > 1:
        row = numbers.first[0].place[0]
        text += f", first in '{thing.rows[row]}' (row {row + 1} of {len(thing.rows)})"
    if str(tolerance) != "nothing":
        text += f" by more than {tolerance}"
    text += f", at most {numbers.max_relative:.2g} relative"
    return text + (f", largest pull {numbers.max_pull:+.2g}" if numbers.max_pull else "")


def _bin_sentence(found: BinDifference) -> str:
    if found.monitored == found.reference and found.monitored_error is not None:
        assert found.reference_error is not None
        a, b = _figures(found.monitored_error, found.reference_error)
        return f"{found.label} has error {a}, reference {b}"
    a, b = _figures(found.monitored, found.reference)
    return f"{found.label} is {a}, reference {b}"


def _figures(one: float, other: float) -> tuple[str, str]:
    """Return two numbers with as few digits as tell them apart; counts in full."""
    if one.is_integer() and other.is_integer() and max(abs(one), abs(other)) < 1e15:
        return f"{one:.0f}", f"{other:.0f}"
    for digits in (6, 9, 12, 15):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{one:.17g}", f"{other:.17g}"

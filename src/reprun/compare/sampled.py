"""The kind `sampled`: objects made from independent events, judged by statistical tests."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reprun.compare.statistics import NoTestError, PValue, benjamini_hochberg, holm, run_tests
from reprun.compare.statistics.samples import sample_of
from reprun.compare.statistics.suite import Plan
from reprun.compare.verdict import Check, Item, Verdict
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import DataObject, Floats, Histogram, Source
from reprun.wording import count_of


@dataclass(frozen=True, slots=True)
class Tested:
    """The tests of one object, or why none holds."""

    p_values: tuple[PValue, ...] = ()
    why_none: str = ""
    places: tuple[str, ...] = ()
    """For each test the words for the bin that decides, if a single one does."""


def apply_tests(
    name: str,
    rule: ComparisonRule,
    one: DataObject,
    other: DataObject,
    sources: Sequence[Source],
    *,
    detailed: bool = True,
) -> Tested:
    """Run the tests of a rule on two objects of one structure; `sources` hold covariances.

    Toys are seeded with the object's name, so that a verdict never depends on chance or on
    which other objects are compared.
    """
    try:
        plan = Plan(
            tests=rule.tests,
            toys=rule.toys,
            seed=zlib.crc32(name.encode()),
            covariance=_covariance(rule, one, other, sources),
        )
        found = run_tests(one, other, plan)
    except NoTestError as reason:
        return Tested(why_none=str(reason))
    if not detailed:
        return Tested(tuple(PValue(each.test, each.p, each.statistic, "") for each in found))
    return Tested(tuple(found), places=tuple(_place(each, other) for each in found))


def _place(found: PValue, thing: DataObject) -> str:
    if found.place is None:
        return ""
    if isinstance(thing, Histogram) or found.test == "cells":
        place = tuple(int(n) for n in np.unravel_index(found.place, thing.values.shape))
        return thing.describe_bin(place)
    return thing.rows[found.place]


class Family:
    """All tests of all objects of one comparison, corrected together.

    An object fails if one of its p-values, after Holm's correction over the family, is not
    above the alpha of its rule: so the chance that any object of a file fails although all
    agree is at most the largest alpha. A p-value of 0 fails like any other small one; where no
    test holds nothing passes. With `shared_events` no object passes: both sides hold the same
    events, and independent fluctuations do not excuse a difference.
    """

    def __init__(self, tested: Mapping[str, Tested], *, shared_events: bool) -> None:
        self.shared_events = shared_events
        family = [one.p for found in tested.values() for one in found.p_values]
        after = holm(family)
        self.size = len(family)
        self.objects = sum(bool(found.p_values) for found in tested.values())
        self.smallest = float(after.min(initial=1.0))
        self._adjusted: dict[str, Floats] = {}
        at = 0
        for name, found in tested.items():
            self._adjusted[name] = after[at : at + len(found.p_values)]
            at += len(found.p_values)
        least = {
            name: min(1.0, len(found.p_values) * min(one.p for one in found.p_values))
            for name, found in tested.items()
            if found.p_values
        }
        self._q = dict(zip(least, benjamini_hochberg(list(least.values())), strict=True))

    def judge(self, item: Item, found: Tested) -> Item:
        """Return an item with the verdict of its tests."""
        if item.rule is None or not found.p_values:
            return _untested(item, found.why_none)
        adjusted = self._adjusted[item.name]
        return _tested(item, item.rule, found, adjusted, self._q[item.name], self.shared_events)

    def notes(self, items: Sequence[Item]) -> list[str]:
        """Return what was held to agree and how sure the answer is."""
        if not self.size:
            return []
        alphas = [item.rule.alpha for item in items if item.rule and item.name in self._adjusted]
        note = (
            f"{count_of(self.size, 'statistical test')} on {count_of(self.objects, 'object')} "
            "evaluated as one family (Holm): if all agree, one or more fail with a chance of at "
            f"most {max(alphas):g}; smallest adjusted p {self.smallest:.3g}"
        )
        return [note]


def _tested(
    item: Item,
    rule: ComparisonRule,
    found: Tested,
    adjusted: Floats,
    q: float,
    shared_events: bool,
) -> Item:
    least = int(np.argmin([one.p for one in found.p_values]))
    worst, after = found.p_values[least], float(adjusted[least])
    failed = [
        one.test
        for one, held in zip(found.p_values, adjusted, strict=True)
        if not held > rule.alpha
    ]
    count = len(found.p_values)
    checks = _checks(rule, found, adjusted, q) if item.detailed else ()
    kept = tuple(check for check in item.checks if check.name != "numbers")
    all_checks = (*kept, *checks)
    if failed:
        text = f"p = {worst.p:.3g} ({after:.3g} after Holm)"
        text = _sentence(found, least, after) if item.detailed else text
        headline = f"fails the {worst.test} test: {text}"
        more = f"; {len(failed)} of {count_of(count, 'test')} fail ({', '.join(failed)})"
        more += f"; {item.numbers.factor.sentence}" if item.numbers and item.numbers.factor else ""
        return replace(
            item, verdict=Verdict.DIFFERENT, headline=headline,
            sentence=headline + more, checks=all_checks,
            needed=f"each p after Holm's correction must be above {rule.alpha:g}",
        )  # fmt: skip
    size = f"smallest p = {worst.p:.3g} ({worst.test}), {after:.3g} after Holm"
    if shared_events:
        headline = "holds the same events as its reference, and the numbers differ"
        return replace(
            item, verdict=Verdict.CHANGED, headline=headline, checks=all_checks,
            sentence=f"{headline}: changed, though compatible ({size})",
            needed="runs over the same events must give equal numbers: a compatible p is no "
            "excuse; bless the change or find its cause",
        )  # fmt: skip
    return replace(
        item, verdict=Verdict.COMPATIBLE, headline="", checks=all_checks, needed="",
        sentence=f"{count_of(count, 'test')}, {size}, alpha {rule.alpha:g}",
    )  # fmt: skip


def _checks(rule: ComparisonRule, found: Tested, adjusted: Floats, q: float) -> tuple[Check, ...]:
    return tuple(
        Check(
            one.test,
            passed=bool(after > rule.alpha),
            sentence=_sentence(found, index, float(after)),
            figures={"p": one.p, "adjusted": float(after), "q": float(q)}
            | {"statistic": one.statistic}
            | ({} if one.ndf is None else {"ndf": one.ndf}),
        )
        for index, (one, after) in enumerate(zip(found.p_values, adjusted, strict=True))
    )


def _untested(item: Item, why: str) -> Item:
    check = Check("statistics", passed=False, sentence=f"no test is applicable: {why}")
    return replace(
        item,
        sentence=f"{item.sentence}; no statistical test is applicable: {why}",
        checks=(*item.checks, check) if item.detailed else (),
        needed=f"a test must be applicable, and none is ({why}): store sumw2, or compare as float",
    )


def _sentence(found: Tested, index: int, adjusted: float) -> str:
    where = f" at {found.places[index]}" if found.places and found.places[index] else ""
    return f"{found.p_values[index]}{where} ({adjusted:.3g} after Holm)"


def _covariance(
    rule: ComparisonRule, one: DataObject, other: DataObject, sources: Sequence[Source]
) -> Floats | None:
    """Return the covariance of the difference: the sum of the matrices that both sides hold.

    The matrix covers the bins; the flow bins have none and keep their own variances.
    """
    if rule.covariance is None:
        return None
    if not (isinstance(one, Histogram) and isinstance(other, Histogram) and len(one.axes) == 1):
        raise NoTestError("a covariance matrix needs a histogram of one axis")
    held = [source.only([rule.covariance]) for source in sources]
    matrices = [found for side in held if (found := side.get(rule.covariance)) is not None]
    bins = one.axes[0].bins
    if not matrices:
        raise NoTestError(f"there is no covariance matrix '{rule.covariance}'")
    total = np.zeros((bins + 2, bins + 2))
    for matrix in matrices:
        if not isinstance(matrix, Histogram) or matrix.values.shape != total.shape:
            raise NoTestError(f"'{rule.covariance}' is not a matrix of {bins} x {bins} bins")
        total[1:-1, 1:-1] += matrix.values[1:-1, 1:-1]
    if not np.isfinite(total).all():
        raise NoTestError(f"'{rule.covariance}' is not finite")
    for side in (one, other):
        sample = sample_of(side)
        if sample is not None:
            for flow in (0, -1):
                total[flow, flow] += sample.variances[flow]
    return total

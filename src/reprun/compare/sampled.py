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
from reprun.histograms import DataObject, Floats, Histogram, Objects
from reprun.spec import ComparisonRule
from reprun.wording import count_of


@dataclass(frozen=True, slots=True)
class Tested:
    """The tests of one object, or why none holds."""

    p_values: tuple[PValue, ...] = ()
    why_none: str = ""


def apply_tests(
    name: str, rule: ComparisonRule, one: DataObject, other: DataObject, objects: Sequence[Objects]
) -> Tested:
    """Run the tests of a rule on two objects of one structure; `objects` hold covariances.

    Toys are seeded with the object's name, so that a verdict never depends on chance or on
    which other objects are compared.
    """
    try:
        plan = Plan(
            tests=rule.tests,
            toys=rule.toys,
            seed=zlib.crc32(name.encode()),
            covariance=_covariance(rule, one, other, objects),
        )
        return Tested(tuple(run_tests(one, other, plan)))
    except NoTestError as reason:
        return Tested(why_none=str(reason))


def judge_samples(
    items: Sequence[Item], tested: Mapping[str, Tested], *, shared_events: bool
) -> tuple[list[Item], list[str]]:
    """Return the items with the verdicts of their tests, and notes on the whole family.

    All tests of all objects form one family. An object fails if one of its p-values, after
    Holm's correction over the family, is not above the alpha of its rule: so the chance that
    any object of a file fails although all agree is at most the largest alpha. A p-value of 0
    fails like any other small one; where no test holds nothing passes. With `shared_events`
    no object passes: both sides hold the same events, and independent fluctuations are no
    excuse for a difference.
    """
    family = [p for found in tested.values() for p in found.p_values]
    adjusted = iter(holm([one.p for one in family]))
    ordered = {name: [next(adjusted) for _ in found.p_values] for name, found in tested.items()}
    smallest = {
        name: min(1.0, len(found.p_values) * min(one.p for one in found.p_values))
        for name, found in tested.items()
        if found.p_values
    }
    q = dict(zip(smallest, benjamini_hochberg(list(smallest.values())), strict=True))
    judged = []
    for item in items:
        found = tested.get(item.name)
        if found is None or item.rule is None:
            judged.append(item)
        elif not found.p_values:
            judged.append(_untested(item, found.why_none))
        else:
            judged.append(
                _tested(item, item.rule, found, ordered[item.name], q[item.name], shared_events)
            )
    return judged, _family_notes(items, tested, family, ordered)


def _tested(
    item: Item,
    rule: ComparisonRule,
    found: Tested,
    adjusted: Sequence[float],
    q: float,
    shared_events: bool,
) -> Item:
    checks = [
        Check(
            one.test,
            passed=after > rule.alpha,
            sentence=_sentence(item, one, after),
            figures={"p": one.p, "adjusted": float(after), "q": float(q)}
            | {"statistic": one.statistic}
            | ({} if one.ndf is None else {"ndf": one.ndf}),
        )
        for one, after in zip(found.p_values, adjusted, strict=True)
    ]
    least = int(np.argmin([one.p for one in found.p_values]))
    worst, after = found.p_values[least], float(adjusted[least])
    kept = tuple(check for check in item.checks if check.name != "numbers")
    all_checks = (*kept, *checks)
    if after <= rule.alpha:
        failed = [check.name for check in checks if not check.passed]
        headline = f"fails the {worst.test} test: {_sentence(item, worst, after)}"
        more = f"; {len(failed)} of {count_of(len(checks), 'test')} fail ({', '.join(failed)})"
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
        sentence=f"{count_of(len(checks), 'test')}, {size}, alpha {rule.alpha:g}",
    )  # fmt: skip


def _untested(item: Item, why: str) -> Item:
    check = Check("statistics", passed=False, sentence=f"no test holds: {why}")
    return replace(
        item,
        sentence=f"{item.sentence}; no statistical test holds: {why}",
        checks=(*item.checks, check),
        needed=f"a test must hold, and none does ({why}): store sumw2, or compare as float",
    )


def _sentence(item: Item, one: PValue, adjusted: float) -> str:
    thing = item.reference
    where = ""
    if one.place is not None and thing is not None:
        shape = thing.values.shape
        if isinstance(thing, Histogram) or one.test == "cells":
            place = tuple(int(n) for n in np.unravel_index(one.place, shape))
            where = f" at {thing.describe_bin(place)}"
        else:
            where = f" at {thing.rows[one.place]}"
    return f"{one}{where} ({adjusted:.3g} after Holm)"


def _covariance(
    rule: ComparisonRule, one: DataObject, other: DataObject, objects: Sequence[Objects]
) -> Floats | None:
    """Return the covariance of the difference: the sum of the matrices that both sides hold.

    The matrix covers the bins; the flow bins have none and keep their own variances.
    """
    if rule.covariance is None:
        return None
    if not (isinstance(one, Histogram) and isinstance(other, Histogram) and len(one.axes) == 1):
        raise NoTestError("a covariance matrix needs a histogram of one axis")
    matrices = [found for held in objects if (found := held.get(rule.covariance)) is not None]
    bins = one.axes[0].bins
    if not matrices:
        raise NoTestError(f"there is no covariance matrix '{rule.covariance}'")
    total = np.zeros((bins + 2, bins + 2))
    for matrix in matrices:
        if not isinstance(matrix, Histogram) or matrix.values.shape != total.shape:
            raise NoTestError(f"'{rule.covariance}' is no matrix of {bins} x {bins} bins")
        total[1:-1, 1:-1] += matrix.values[1:-1, 1:-1]
    if not np.isfinite(total).all():
        raise NoTestError(f"'{rule.covariance}' is not finite")
    for side in (one, other):
        sample = sample_of(side)
        if sample is not None:
            for flow in (0, -1):
                total[flow, flow] += sample.variances[flow]
    return total


def _family_notes(
    items: Sequence[Item],
    tested: Mapping[str, Tested],
    family: Sequence[PValue],
    adjusted: Mapping[str, Sequence[float]],
) -> list[str]:
    if not family:
        return []
    alphas = [item.rule.alpha for item in items if item.rule and item.name in tested]
    least = min(float(p) for values in adjusted.values() for p in values)
    objects = count_of(sum(bool(found.p_values) for found in tested.values()), "object")
    note = (
        f"{count_of(len(family), 'statistical test')} on {objects} judged as one family (Holm): "
        f"if all agree, one or more fail with a chance of at most "
        f"{max(alphas):g}; smallest adjusted p {least:.3g}"
    )
    return [note]

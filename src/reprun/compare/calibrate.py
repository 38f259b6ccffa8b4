"""Calibration: how often do these checks fail although all agrees, and what do they see?

Toys are thrown from the reference itself: both samples of a pair follow its bins, with its
weights. The answer holds for exactly the rules, objects and sizes of one comparison.
"""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reprun.compare.policy import Policy
from reprun.compare.statistics import NoTestError, holm, run_tests
from reprun.compare.statistics.samples import Sample, sample_of
from reprun.compare.statistics.suite import Plan
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError
from reprun.histograms import Floats, Histogram, Objects

POWER = 0.9
STEPS = 7
LARGEST_YIELD_CHANGE = 1.0
LARGEST_SHIFT = 2.0
"""In standard deviations of the histogram."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What the checks see of one object; None where even the largest change is missed."""

    name: str
    false_alarms: float
    """Share of the toys in which this object fails."""
    yield_change: float | None
    """The smallest relative change of the yield that is seen with a power of 90 %."""
    shift: float | None
    """The same for a shift along the axis, in its unit; None for more than one axis too."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The answer for a whole file."""

    toys: int
    false_alarms: float
    """Share of the toys in which any object fails."""
    alpha: float
    objects: tuple[Sensitivity, ...]
    left_out: tuple[str, ...]
    """Objects that have no toys: not sampled, no errors, or not a histogram."""

    @property
    def error(self) -> float:
        """The standard error of the false-alarm rate, at least that of one toy."""
        share = max(self.false_alarms, 1 / self.toys)
        return float(np.sqrt(share * (1 - min(share, 0.5)) / self.toys))


def calibrate(
    reference: Objects, rules: Sequence[ComparisonRule], today: datetime.date, toys: int
) -> Calibration:
    """Throw `toys` pairs of files from the reference and evaluate them by the rules.

    Raises NothingToCompareError if no object is sampled and has known errors.
    """
    policy = Policy(rules, today)
    laws: list[tuple[Histogram, Sample, ComparisonRule]] = []
    left_out: list[str] = []
    for name, thing in sorted(reference.items()):
        rule = policy.rule_for(name)
        law = sample_of(thing) if isinstance(thing, Histogram) else None
        usable = law is not None and not law.signed and law.total > 0
        sampled = rule is not None and rule.kind == "sampled" and rule.covariance is None
        if isinstance(thing, Histogram) and law and rule and usable and sampled:
            laws.append((thing, law, rule))
        else:
            left_out.append(name)
    if not laws:
        raise NothingToCompareError(
            "no object is of the kind sampled and has known errors: there is nothing to calibrate",
            hint="reprun compare A B --kind sampled --calibrate 200",
        )
    p_values = [_toys(thing, law, rule, toys, law) for thing, law, rule in laws]
    failures = np.zeros((toys, len(laws)), dtype=bool)
    for toy in range(toys):
        adjusted = iter(holm([p for each in p_values for p in each[toy]]))
        for index, (_, _, rule) in enumerate(laws):
            own = [next(adjusted) for _ in p_values[index][toy]]
            failures[toy, index] = min(own, default=1.0) <= rule.alpha
    family = sum(len(each[0]) for each in p_values)
    return Calibration(
        toys,
        float(failures.any(axis=1).mean()),
        max(rule.alpha for _, _, rule in laws),
        tuple(
            _sensitivity(thing, law, rule, toys, family, float(failures[:, index].mean()))
            for index, (thing, law, rule) in enumerate(laws)
        ),
        tuple(left_out),
    )


def _toys(
    thing: Histogram, law: Sample, rule: ComparisonRule, toys: int, changed: Sample
) -> list[list[float]]:
    """Return the p-values of each toy: a sample of `changed` against one of the law."""
    rng = np.random.default_rng(zlib.crc32(thing.name.encode()))
    plan = Plan(rule.tests, rule.toys)
    found = []
    for seed in range(toys):
        one, other = (_drawn(thing, side, law, rng) for side in (changed, law))
        try:
            answers = run_tests(one, other, Plan(plan.tests, plan.toys, seed))
        except NoTestError:
            answers = []
        found.append([one.p for one in answers])
    return found


def _drawn(thing: Histogram, means: Sample, law: Sample, rng: np.random.Generator) -> Histogram:
    """Return a toy: Poisson counts, or scaled Poisson bins with the weights of the law."""
    filled = law.contents > 0
    weights = np.where(filled, law.variances / np.where(filled, law.contents, 1.0), 1.0)
    counts = np.asarray(rng.poisson(means.contents / weights), dtype=np.float64)
    shape = thing.values.shape
    values = (counts * weights).reshape(shape)
    sumw2 = None if thing.sumw2 is None else (counts * weights**2).reshape(shape)
    return Histogram(thing.name, thing.axes, values, sumw2, thing.storage)


def _sensitivity(
    thing: Histogram, law: Sample, rule: ComparisonRule, toys: int, family: int, alarms: float
) -> Sensitivity:
    needed = rule.alpha / family

    def power(changed: Sample, against: Sample) -> float:
        found = _toys(thing, against, rule, toys, changed)
        return float(np.mean([min(p, default=1.0) <= needed for p in found]))

    def scaled(size: float) -> Sample:
        return Sample(law.contents * (1 + size), law.variances * (1 + size))

    yield_change = None
    if "yield" in rule.tests:
        yield_change = _smallest(lambda size: power(scaled(size), law), LARGEST_YIELD_CHANGE)
    shift = None
    if len(thing.axes) == 1 and (spread := _spread(thing)) > 0:
        smooth = _smoothed(law)
        shift = _smallest(
            lambda size: power(_shifted(thing, smooth, size * spread), smooth), LARGEST_SHIFT
        )
        shift = None if shift is None else shift * spread
    return Sensitivity(thing.name, alarms, yield_change, shift)


def _smallest(power: Callable[[float], float], largest: float) -> float | None:
    """Return the least size seen with `POWER`, by bisection of its logarithm."""
    if power(largest) < POWER:
        return None
    low, high = np.log(largest * 1e-3), np.log(largest)
    for _ in range(STEPS):
        middle = (low + high) / 2
        if power(float(np.exp(middle))) < POWER:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def _spread(thing: Histogram) -> float:
    edges, inner = thing.axes[0].edges, np.maximum(thing.values[1:-1], 0.0)
    if not inner.sum():
        return 0.0
    centres = (edges[1:] + edges[:-1]) / 2
    mean = np.average(centres, weights=inner)
    return float(np.sqrt(np.average((centres - mean) ** 2, weights=inner)))


def _smoothed(law: Sample) -> Sample:
    """Return the law without its own fluctuations, which a shift would show as differences.

    Binomial weights over five neighbours; what they carry over an end stays in the last bin.
    """

    def smooth(contents: Floats) -> Floats:
        inner = np.pad(contents[1:-1], 2, mode="edge")
        mean = np.convolve(inner, np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16, mode="valid")
        return np.concatenate((contents[:1], mean, contents[-1:]))

    return Sample(smooth(law.contents), smooth(law.variances))


def _shifted(thing: Histogram, law: Sample, distance: float) -> Sample:
    """Return the law with its bins moved up: contents spread evenly in each bin, flow kept."""
    edges = thing.axes[0].edges

    def moved(contents: Floats) -> Floats:
        below = np.concatenate(([0.0], np.cumsum(contents[1:-1])))
        after = np.interp(edges - distance, edges, below)
        inner = np.diff(after)
        lost = below[-1] - after[-1]
        return np.concatenate(([contents[0]], inner, [contents[-1] + lost]))

    return Sample(moved(law.contents), moved(law.variances))

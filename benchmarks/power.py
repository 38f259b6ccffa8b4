"""False alarms and power of every statistical test on every kind of pair, by seeded toys.

    python benchmarks/power.py [--toys 2000] [--power-toys 200] [--write docs/statistics.md]

The laws are those of tests/null_toys.py. The tables go between the marks of the document.
`--tiny` does one kind of pair with a handful of toys.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reprun.compare.statistics import NoTestError, run_tests
from reprun.compare.statistics.suite import Plan
from reprun.histograms import Floats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.null_toys import KINDS

SEED = 404
TESTS = ("yield", "shape", "pull", "runs", "ks", "ad")
LEVEL = 0.01
POWER = 0.9
STEPS = 10
TINY_TOYS = 4
LARGEST: Mapping[str, tuple[float, str]] = {
    "counts": (1.0, "of the mean of a peak of width 1.5; 5,000 events, 40 bins"),
    "few counts": (5.0, "the same, 25 events"),
    "counts against weights": (1.0, "the same, 5,000 events against 5,000 weighted, shape only"),
    "weights": (1.0, "the same, 5,000 events of exponential weights"),
    "signed weights": (4.0, "the same, 8,000 events, 35 % of weight -1"),
    "two axes": (1.5, "of the mean of x; 4,000 events in 12 by 12 bins"),
    "profile": (2.0, "of y, an exponential of mean 2.5; 5,000 events, 40 bins"),
    "efficiency": (2.0, "of the turn-on of width 1; 4,000 events, 40 bins"),
    "graph": (5.0, "of y; 20 points of error 0.8"),
    "cut flow": (0.4, "relative, of all counts; 10,000 to 40 events"),
}
"""The largest shift tried of each kind, and what it is a shift of."""
BEGIN, END = "<!-- measured: benchmarks/power.py -->\n", "<!-- /measured -->"


def p_values(kind: str, shift: float, toys: int) -> dict[str, Floats]:
    """Return the p-values of all tests on `toys` pairs, the first side shifted."""
    first, second = KINDS[kind]
    tests = TESTS[1:] if kind == "counts against weights" else TESTS
    found: dict[str, list[float]] = {}
    for toy in range(toys):
        rng = np.random.default_rng([SEED, toy])
        one, other = first(rng, shift), second(rng, 0.0)
        try:
            results = run_tests(one, other, Plan(tests, 1000, toy))
        except NoTestError:
            continue
        for result in results:
            found.setdefault(result.test, []).append(result.p)
    return {test: np.array(p) for test, p in found.items()}


def smallest_shifts(kind: str, toys: int) -> dict[str, float | None]:
    """Return the least shift seen with 90 % power at p < 0.01, interpolated between steps."""
    shifts = LARGEST[kind][0] * 2.0 ** (-np.arange(STEPS) / 2)
    powers = [
        {test: float((p < LEVEL).sum() / toys) for test, p in p_values(kind, shift, toys).items()}
        for shift in shifts
    ]
    answer: dict[str, float | None] = {}
    for test in powers[0]:
        seen = [power.get(test, 0.0) for power in powers]
        if seen[0] < POWER:
            answer[test] = None
            continue
        below = next((n for n, power in enumerate(seen) if power < POWER), None)
        if below is None:
            answer[test] = float(shifts[-1])
            continue
        high, low = seen[below - 1], seen[below]
        part = (high - POWER) / (high - low)
        answer[test] = float(shifts[below - 1] * 2 ** (-part / 2))
    return answer


def tables(kinds: Sequence[str], toys: int, power_toys: int) -> str:
    """Return one Markdown table a kind."""
    head = (
        f"Seed {SEED}; {toys:,} pairs of the same distribution, {power_toys} pairs at each of "
        f"{STEPS} shifts. The rates have a standard error of "
        f"{np.sqrt(0.01 * 0.99 / toys):.2%} at 1 % and {np.sqrt(0.05 * 0.95 / toys):.2%} at 5 %."
    )
    lines = [head, ""]
    for kind in kinds:
        what = LARGEST[kind][1]
        print(kind, file=sys.stderr)
        null = p_values(kind, 0.0, toys)
        shifts = smallest_shifts(kind, power_toys)
        lines += [f"**{kind}**: shifts {what}", ""]
        lines += ["| test | p < 1 % | p < 5 % | smallest shift |", "|---|---:|---:|---:|"]
        for test, p in null.items():
            if len(p) < toys / 2:
                continue
            shift = shifts.get(test)
            text = "not seen" if shift is None else f"{shift:.2g}"
            lines.append(f"| {test} | {(p < 0.01).mean():.1%} | {(p < 0.05).mean():.1%} | {text} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Print the tables, or put them into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toys", type=int, default=2000)
    parser.add_argument("--power-toys", type=int, default=200)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    chosen = parser.parse_args()
    made = (
        tables(["counts"], TINY_TOYS, TINY_TOYS)
        if chosen.tiny
        else tables(list(LARGEST), chosen.toys, chosen.power_toys)
    )
    if chosen.write is None or chosen.tiny:
        print(made)
        return
    text = chosen.write.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    chosen.write.write_text(f"{before}{BEGIN}{made}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

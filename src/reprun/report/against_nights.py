"""A quantity of the runs of a cell against time, as a drawing that lies in a page."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from reprun.report.marks import State

WIDTH, HEIGHT = 380, 200
LEFT, RIGHT, TOP, BOTTOM = 50, 30, 24, 40
RED: tuple[State, ...] = ("not reproduced", "failed")


@dataclass(frozen=True, slots=True)
class Point:
    """A run that has the quantity."""

    at: dt.datetime
    value: float
    """Not negative; infinite ones are drawn at the upper edge."""
    state: State


def drawing(points: Sequence[Point], quantity: str, unit: str) -> Markup:
    """Return an SVG of a quantity against the night; empty where no run has it.

    `unit` stands behind numbers and on the axis; empty for a number without one.
    """
    if not points:
        return Markup("")
    finite = [point.value for point in points if math.isfinite(point.value)]
    step, top = scale(1.05 * max(finite, default=0.0))
    first, last = points[0].at, points[-1].at
    span = (last - first).total_seconds()

    def x(at: dt.datetime) -> float:
        part = (at - first).total_seconds() / span if span else 0.5
        return LEFT + 8 + part * (WIDTH - LEFT - RIGHT - 16)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - min(max(value, 0.0) / top, 1.0) * (HEIGHT - BOTTOM - TOP)

    title = f"{quantity} [{unit}]" if unit else quantity
    told = escape(title)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told} against the night">'
    ]
    parts.append(f'<text x="2" y="12">{told}</text>')
    for n in range(round(top / step) + 1):
        height = f"{y(n * step):.1f}"
        parts.append(
            f'<path class="rule" d="M{LEFT} {height}H{WIDTH - RIGHT}"/>'
            f'<text class="dim" x="{LEFT - 5}" y="{height}" dy="4" text-anchor="end">'
            f"{n * step:.4g}</text>"
        )
    parts.append(
        f'<path class="frame" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
        + "".join(_days(first, last, x))
        + f'<text class="dim" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 4}" '
        'text-anchor="middle">night (UTC)</text>'
    )
    line = " ".join(f"{x(point.at):.1f},{y(point.value):.1f}" for point in points)
    parts.append(f'<polyline class="runline" points="{line}"/>')
    for point in points:
        value = "infinite" if math.isinf(point.value) else f"{point.value:.4g} {unit}".strip()
        told = escape(f"{point.at:%Y-%m-%d %H:%M}: {value}, {point.state}")
        shape = _shape(point.state, x(point.at), y(point.value))
        parts.append(f"<g><title>{told}</title>{shape}</g>")
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - numbers, and text that is escaped


def _days(
    first: dt.datetime, last: dt.datetime, x: Callable[[dt.datetime], float]
) -> Iterator[str]:
    whole = (last - first).days
    every = max(1, math.ceil(whole / 3))
    for n in range(0, whole + 1, every):
        day = first + dt.timedelta(days=n)
        place = f"{x(day):.1f}"
        yield (
            f'<path class="tick" d="M{place} {HEIGHT - BOTTOM}v4"/><text class="dim" x="{place}" '
            f'y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{day:%Y-%m-%d}</text>'
        )


def _shape(state: State, x: float, y: float) -> str:
    """Return a cross for what is red, else a point: colour is not all that tells them apart."""
    if state in RED:
        return f'<path class="cross" d="M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0-7l-7 7"/>'
    return f'<circle class="runpt" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>'


def scale(largest: float) -> tuple[float, float]:
    """Return step and end of an axis from 0 that holds a value: three to six round steps."""
    if largest <= 0:
        return 0.5, 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    step = next(
        (size * power for size in (0.2, 0.5, 1.0) if largest <= 5 * size * power), 2 * power
    )
    return step, step * math.ceil(largest / step * (1 - 1e-12))

"""The drawings of a report: what the page paints, as numbers, made from the compared objects.

Histograms are bins with errors, beside them the ratio and the pulls. Profiles show the mean of
each bin, efficiencies the share that passed, graphs their points. Two axes give a map and the
projections on both, three the projections alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reprun.compare import Comparison, Item
from reprun.histograms import Axis, DataObject, Floats, Histogram, Objects, Table, is_value
from reprun.report.curves import Curve, curve_of
from reprun.report.model import Panel, PlotAxis, ReportTable
from reprun.wording import count_of

MOST_DRAWN_BINS = 1000
"""Finer axes are drawn with neighbouring bins merged: a screen has no more columns."""
MOST_MAP_BINS = 100
"""The same for each axis of a map."""
MOST_SHOWN_CELLS = 400
MOST_VALUES = 20
"""Numbers of a document that stand in a table before all objects."""
MOST_DRAWN = 2000
"""Objects drawn in one report; the worst come first."""
MOST_NUMBERS = 1_500_000
"""Numbers of all drawings together: some ten megabytes of page."""
AT_A_TIME = 100
LEAST_LOG_RANGE = 10.0
"""An axis over less than a decade is drawn linear, whatever its bins."""
MOST_LOG_SPREAD = 2.0
"""Bins are geometric if the widest is no more than so many times the narrowest, in log x."""
_UNIT = re.compile(r"\[([^\[\]]+)\]\s*$")


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is shown of one object besides its verdict."""

    panels: tuple[Panel, ...] = ()
    table: ReportTable | None = None

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        arrays = [
            array
            for panel in self.panels
            for array in (panel.monitored, panel.reference, panel.monitored_errors,
                          panel.reference_errors, panel.pulls)
        ]  # fmt: skip
        return sum(len(array) for array in arrays if array is not None)


NOTHING = Drawing()


def drawn(comparison: Comparison, ranked: Sequence[Item]) -> tuple[dict[str, Drawing], list[str]]:
    """Return the drawings of the first objects by name, and a note on those left out."""
    found: dict[str, Drawing] = {}
    numbers = 0
    first = ranked[:MOST_DRAWN]
    for start in range(0, len(first), AT_A_TIME):
        batch = first[start : start + AT_A_TIME]
        sides = [source.only([item.name for item in batch]) for source in comparison.sides]
        for item in batch:
            made = _drawing(item, sides[0].get(item.name), sides[1].get(item.name))
            numbers += made.numbers
            if numbers > MOST_NUMBERS:
                break
            found[item.name] = made
        if numbers > MOST_NUMBERS:
            break
    left = len(ranked) - len(found)
    if not left:
        return found, []
    note = (
        f"plots of {count_of(left, 'object')} of {len(ranked):,} are left out to keep this report "
        f"small; the worst {len(found):,} are drawn. reprun compare … --match NAME draws any other"
    )
    return found, [note]


def table_to_show(table: Table, *, title: str = "", caption: str = "") -> ReportTable:
    """Return a table of the analysis (its yields) as the report shows it."""
    return ReportTable(
        title=title or table.name,
        columns=(table.corner, *table.columns),
        rows=tuple(
            (row, *values) for row, values in zip(table.rows, table.values.tolist(), strict=True)
        ),
        caption=caption,
    )


def values_to_show(objects: Objects) -> list[ReportTable]:
    """Return the first numbers of each document of the analysis: its limits, its fit."""
    documents: dict[str, list[tuple[str, float]]] = {}
    for name, found in objects.items():
        if is_value(found) and found.class_name == "number":
            document, _, path = name.partition(":")
            documents.setdefault(document, []).append((path, float(found.values[0, 0])))
    return [
        ReportTable(
            title=document,
            columns=("value of", "value"),
            rows=tuple(rows[:MOST_VALUES]),
            caption=f"the first {MOST_VALUES} of {len(rows):,} numbers"
            if len(rows) > MOST_VALUES
            else "",
        )
        for document, rows in documents.items()
    ]


def _drawing(item: Item, one: DataObject | None, other: DataObject | None) -> Drawing:
    same = one is not None and other is not None and item.monitored_hash == item.reference_hash
    return Drawing(_panels(one, other, same=same), _cells(one, other))


# Overflow, 0/0 and inf - inf become IEEE 754's infinities and NaN, which the page leaves out.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _panels(one: DataObject | None, other: DataObject | None, *, same: bool) -> tuple[Panel, ...]:
    if isinstance(one, Table) or isinstance(other, Table):
        curves = [curve_of(thing) if isinstance(thing, Table) else None for thing in (one, other)]
        return _curves(curves[0], curves[1], same=same)
    apart = one is not None and other is not None and not _drawable_together(one, other)
    if apart:
        other = None
    thing = one if one is not None else other
    if thing is None:
        return ()
    lines = tuple(
        _projection(one, None if same else other, thing, index, same=same, apart=apart)
        for index in range(len(thing.axes))
    )
    if len(thing.axes) != 2:
        return lines
    return (_map(one, None if same else other, thing, same=same, apart=apart), *lines)


def _drawable_together(one: Histogram, other: Histogram) -> bool:
    return one.values.shape == other.values.shape and all(
        np.allclose(a.edges, b.edges, rtol=1e-9, atol=0)
        for a, b in zip(one.axes, other.axes, strict=True)
    )


def _projection(
    one: Histogram | None,
    other: Histogram | None,
    thing: Histogram,
    index: int,
    *,
    same: bool,
    apart: bool,
) -> Panel:
    """Return the histogram itself, or its projection on one of its axes."""
    axis = thing.axes[index]
    merge = -(-axis.bins // MOST_DRAWN_BINS)
    first = None if one is None else _projected(one, index, merge)
    second = None if other is None else _projected(other, index, merge)
    pulls: Floats | None = None
    if first is not None and second is not None:
        delta = first[0] - second[0]
        pulls = np.where(delta == 0, 0.0, delta / np.sqrt(first[1] + second[1]))
    drawn_axis = _axis(axis, merge)
    notes = []
    if len(thing.axes) > 1:
        notes.append(f"projection on {'xyz'[index]}, summed over the other axes with their flow")
    if merge > 1:
        notes.append(f"drawn with {merge} bins merged into one")
    if apart:
        notes.append("the reference has other axes and is not drawn")
    return Panel(
        title=thing.title,
        axis=drawn_axis,
        y_title=_y_title(drawn_axis),
        density_title="" if _width(drawn_axis) else _density_title(drawn_axis),
        same=same,
        monitored=None if first is None else _tuple(first[0][1:-1]),
        monitored_errors=_errors(one, first),
        monitored_flow=None if first is None else _ends(first[0]),
        monitored_flow_errors=None if first is None else _ends(np.sqrt(first[1])),
        reference=None if second is None else _tuple(second[0][1:-1]),
        reference_errors=_errors(other, second),
        reference_flow=None if second is None else _ends(second[0]),
        reference_flow_errors=None if second is None else _ends(np.sqrt(second[1])),
        pulls=None if pulls is None else _tuple(pulls[1:-1]),
        flow_pulls=None if pulls is None else _ends(pulls),
        note="; ".join(notes),
    )


def _map(
    one: Histogram | None, other: Histogram | None, thing: Histogram, *, same: bool, apart: bool
) -> Panel:
    """Return contents in the plane; beside them, where both sides differ, the pulls.

    Numbers run over y fastest.
    """
    merges = [-(-axis.bins // MOST_MAP_BINS) for axis in thing.axes]
    first = None if one is None else _merged(one, merges)
    second = None if other is None else _merged(other, merges)
    pulls: tuple[float, ...] | None = None
    if first is not None and second is not None:
        delta = first[0] - second[0]
        pulls = _tuple(np.where(delta == 0, 0.0, delta / np.sqrt(first[1] + second[1])).ravel())
    notes = []
    if max(merges) > 1:
        notes.append(f"drawn with {merges[0]} by {merges[1]} bins merged into one")
    if apart:
        notes.append("the reference has other axes and is not drawn")
    return Panel(
        kind="map",
        title=thing.title,
        axis=_axis(thing.axes[0], merges[0]),
        y_axis=_axis(thing.axes[1], merges[1]),
        same=same,
        monitored=None if first is None else _tuple(first[0].ravel()),
        reference=None if second is None or first is not None else _tuple(second[0].ravel()),
        pulls=pulls,
        note="; ".join(notes),
    )


def _merged(histogram: Histogram, merges: Sequence[int]) -> tuple[Floats, Floats]:
    found = []
    for array in (histogram.values, histogram.variances):
        plane = array[1:-1, 1:-1]
        for axis, merge in enumerate(merges):
            if merge > 1:
                plane = np.add.reduceat(plane, np.arange(0, plane.shape[axis], merge), axis=axis)
        found.append(np.asarray(plane, dtype=np.float64))
    return found[0], found[1]


def _curves(one: Curve | None, other: Curve | None, *, same: bool) -> tuple[Panel, ...]:
    """Return the drawing of profiles, efficiencies and graphs: points with their errors."""
    apart = one is not None and other is not None and not np.array_equal(one.edges, other.edges)
    if apart:
        other = None
    thing = one if one is not None else other
    if thing is None:
        return ()
    if same:
        other = None
    pulls: tuple[float, ...] | None = None
    if one is not None and other is not None:
        delta = one.y - other.y
        up = np.where(delta < 0, one.high, one.low)
        down = np.where(delta < 0, other.low, other.high)
        pulls = _tuple(np.where(delta == 0, 0.0, delta / np.hypot(up, down)))
    note = "the reference has points elsewhere and is not drawn" if apart else ""

    def errors(curve: Curve | None, side: str) -> tuple[float, ...] | None:
        return None if curve is None else _tuple(getattr(curve, side))

    return (
        Panel(
            kind="points",
            title=thing.title,
            axis=_curve_axis(thing),
            x=None if thing.x is None else _tuple(thing.x),
            same=same,
            monitored=None if one is None else _tuple(one.y),
            monitored_errors=errors(one, "high"),
            monitored_errors_low=errors(one, "low"),
            reference=None if other is None else _tuple(other.y),
            reference_errors=errors(other, "high"),
            reference_errors_low=errors(other, "low"),
            pulls=pulls,
            note="; ".join(text for text in (thing.what, note) if text),
        ),
    )


def _curve_axis(curve: Curve) -> PlotAxis:
    """Return the axis a curve is drawn over."""
    return PlotAxis(
        title=curve.axis_title,
        unit="",
        bins=len(curve.edges) - 1,
        lower=float(curve.edges[0]),
        upper=float(curve.edges[-1]),
        edges=_tuple(curve.edges),
        labels=curve.labels,
    )


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())


def _ends(line: Floats) -> tuple[float, float]:
    return float(line[0]), float(line[-1])


def _errors(
    histogram: Histogram | None, line: tuple[Floats, Floats] | None
) -> tuple[float, ...] | None:
    if histogram is None or line is None or histogram.sumw2 is None:
        return None
    return _tuple(np.sqrt(line[1][1:-1]))


def _projected(histogram: Histogram, index: int, merge: int) -> tuple[Floats, Floats]:
    """Return contents and variances along one axis, flow at both ends, `merge` bins in one."""
    others = tuple(n for n in range(len(histogram.axes)) if n != index)
    found = []
    for array in (histogram.values, histogram.variances):
        line = array.sum(axis=others) if others else array
        if merge > 1:
            starts = np.arange(0, len(line) - 2, merge)
            inner = np.add.reduceat(line[1:-1], starts)
            line = np.concatenate((line[:1], inner, line[-1:]))
        found.append(np.asarray(line, dtype=np.float64))
    return found[0], found[1]


def _axis(axis: Axis, merge: int) -> PlotAxis:
    edges = np.append(axis.edges[:-1:merge], axis.edges[-1])
    even = axis.kind != "variable" and (len(edges) - 1) * merge == axis.bins
    return PlotAxis(
        title=axis.title,
        unit=axis.unit or _bracketed(axis.title),
        scale=_scale(axis),
        bins=len(edges) - 1,
        lower=float(edges[0]),
        upper=float(edges[-1]),
        edges=None if even else _tuple(edges),
        labels=axis.labels if merge == 1 else None,
    )


def _bracketed(title: str) -> str:
    found = _UNIT.search(title)
    return found[1].strip() if found else ""


def _scale(axis: Axis) -> Literal["linear", "log"]:
    """Return `log` where the edges grow by about one factor, as bins of a spectrum do."""
    if axis.kind != "variable" or axis.bins < 3 or axis.edges[0] <= 0:
        return "linear"
    widths = np.diff(np.log(axis.edges))
    wide = axis.edges[-1] / axis.edges[0] >= LEAST_LOG_RANGE
    return "log" if wide and widths.max() <= MOST_LOG_SPREAD * widths.min() else "linear"


def _width(axis: PlotAxis) -> float | None:
    """Return the width that all bins have; None where they differ or have names."""
    if axis.labels is not None:
        return None
    if axis.edges is None:
        return (axis.upper - axis.lower) / axis.bins
    widths = np.diff(axis.edges)
    return float(widths.mean()) if np.ptp(widths) <= 1e-6 * widths.max() else None


def _y_title(axis: PlotAxis) -> str:
    """Return what contents are: entries, in bins of a width that is said where they share it."""
    width = _width(axis)
    if width is None:
        return "Entries" if axis.labels is not None else "Entries / bin"
    if width == 1 and not axis.unit:
        return "Entries"
    return f"Entries / {width:.4g} {axis.unit}".rstrip()


def _density_title(axis: PlotAxis) -> str:
    return "" if axis.labels is not None else f"Entries / {axis.unit or 'bin width'}"


def _cells(one: DataObject | None, other: DataObject | None) -> ReportTable | None:
    """Return a compared table with its own numbers, those that differ marked."""
    shown = one if isinstance(one, Table) else other
    if not isinstance(shown, Table) or shown.values.size > MOST_SHOWN_CELLS:
        return None
    marked: list[tuple[int, int]] = []
    if (
        isinstance(one, Table)
        and isinstance(other, Table)
        and (one.rows, one.columns) == (other.rows, other.columns)
    ):
        apart = (one.values != other.values) & ~(np.isnan(one.values) & np.isnan(other.values))
        marked = [(int(row), int(column) + 1) for row, column in np.argwhere(apart)]
    plain = table_to_show(shown)
    verb = "differs" if len(marked) == 1 else "differ"
    caption = f"{count_of(len(marked), 'cell')} {verb} from the reference" if marked else ""
    return plain.model_copy(update={"marked": tuple(marked), "caption": caption})

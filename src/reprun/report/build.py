"""From a comparison to the report: every number that any renderer shows is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from pydantic import JsonValue

from reprun import __version__
from reprun.compare import Comparison, Item
from reprun.drift import FirstDrift as Drift
from reprun.histograms import Axis, Floats, Histogram, Table
from reprun.report.model import (
    AnalysisInfo,
    CheckResult,
    Difference,
    FirstDrift,
    IgnoredItem,
    Panel,
    Plot,
    PlotAxis,
    Report,
    ReportItem,
    ReportTable,
    RuleUsed,
    StepUsage,
)
from reprun.spec import Citation
from reprun.wording import count_of

MOST_DRAWN_BINS = 1000
"""Finer axes are drawn with neighbouring bins merged: a screen has no more columns."""
MOST_SHOWN_CELLS = 400


def build_report(
    comparison: Comparison,
    analysis: AnalysisInfo,
    *,
    causes: Sequence[str] = (),
    first_drift: Drift | None = None,
    tables: Sequence[ReportTable] = (),
    plots: Sequence[Plot] = (),
    steps: Sequence[StepUsage] = (),
    provenance: Mapping[str, JsonValue] | None = None,
    citations: Sequence[Citation] = (),
    notes: Sequence[str] = (),
) -> Report:
    """Return the report of one comparison with what the caller knows of the run around it."""
    passed = sorted(
        (item for item in comparison.items if item.verdict.passes),
        key=lambda item: (-item.verdict.severity, item.name),
    )
    return Report(
        generator=f"reprun {__version__}",
        analysis=analysis,
        status="reproduced" if comparison.reproduced else "not reproduced",
        sentence=f"on {analysis.tier}: {comparison.sentence}"
        if analysis.tier
        else comparison.sentence,
        counts={str(verdict): number for verdict, number in comparison.counts.items()},
        causes=tuple(causes),
        first_drift=None if first_drift is None else FirstDrift(**asdict(first_drift)),
        items=tuple(_item(item) for item in (*comparison.failures, *passed)),
        ignored=tuple(
            IgnoredItem(name=one.name, reason=one.reason, expires=one.expires)
            for one in comparison.ignored
        ),
        notes=(*comparison.notes, *notes),
        tables=tuple(tables),
        plots=tuple(plots),
        steps=tuple(steps),
        provenance=provenance or {},
        citations=tuple(citations),
    )


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


def _item(item: Item) -> ReportItem:
    numbers, rule = item.numbers, item.rule
    thing = item.monitored if item.monitored is not None else item.reference
    return ReportItem(
        name=item.name,
        title="" if thing is None else thing.title,
        class_name="" if thing is None else thing.class_name,
        verdict=item.verdict,
        passes=item.verdict.passes,
        sentence=item.sentence,
        kind=item.kind,
        rule=None
        if rule is None
        else RuleUsed(
            match=rule.match,
            kind=rule.kind,
            relative=rule.relative,
            absolute=rule.absolute,
            alpha=rule.alpha if rule.kind == "sampled" else None,
            reason=rule.reason,
            expires=rule.expires,
        ),
        monitored_hash=item.monitored_hash,
        reference_hash=item.reference_hash,
        bins=0 if thing is None else thing.values.size,
        differing=numbers.differing if numbers else 0,
        beyond=numbers.beyond if numbers else 0,
        max_ulp=numbers.max_ulp if numbers else 0.0,
        max_relative=numbers.max_relative if numbers else 0.0,
        max_pull=numbers.max_pull if numbers else None,
        differences=tuple(
            Difference(
                label=one.label,
                edges=one.edges,
                monitored=one.monitored,
                reference=one.reference,
                monitored_error=one.monitored_error,
                reference_error=one.reference_error,
                ratio=one.ratio,
                pull=one.pull,
            )
            for one in (numbers.first if numbers else ())
        ),
        checks=tuple(
            CheckResult(
                name=check.name,
                passed=check.passed,
                sentence=check.sentence,
                figures=check.figures,
            )
            for check in item.checks
        ),
        needed=item.needed,
        notes=item.notes,
        panels=_panels(item),
        table=_cells(item),
    )


# Overflow, 0/0 and inf - inf become IEEE 754's infinities and NaN, which the page leaves out.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _panels(item: Item) -> tuple[Panel, ...]:
    """Return one drawing for each axis: the histogram itself, or its projection on the axis."""
    one = item.monitored if isinstance(item.monitored, Histogram) else None
    other = item.reference if isinstance(item.reference, Histogram) else None
    apart = one is not None and other is not None and not _drawable_together(one, other)
    if apart:
        other = None
    thing = one or other
    if thing is None:
        return ()
    same = one is not None and other is not None and item.monitored_hash == item.reference_hash
    return tuple(
        _panel(one, None if same else other, thing, index, same=same, apart=apart)
        for index in range(len(thing.axes))
    )


def _drawable_together(one: Histogram, other: Histogram) -> bool:
    return one.values.shape == other.values.shape and all(
        np.allclose(a.edges, b.edges, rtol=1e-9, atol=0)
        for a, b in zip(one.axes, other.axes, strict=True)
    )


def _panel(
    one: Histogram | None,
    other: Histogram | None,
    thing: Histogram,
    index: int,
    *,
    same: bool,
    apart: bool,
) -> Panel:
    axis = thing.axes[index]
    merge = -(-axis.bins // MOST_DRAWN_BINS)
    first = None if one is None else _projected(one, index, merge)
    second = None if other is None else _projected(other, index, merge)
    pulls: tuple[float, ...] | None = None
    if first is not None and second is not None:
        delta = first[0] - second[0]
        pulls = _tuple(np.where(delta == 0, 0.0, delta / np.sqrt(first[1] + second[1]))[1:-1])
    notes = []
    if len(thing.axes) > 1:
        notes.append(f"projection on {'xyz'[index]}, summed over the other axes with their flow")
    if merge > 1:
        notes.append(f"drawn with {merge} bins merged into one")
    if apart:
        notes.append("the reference has other axes and is not drawn")
    return Panel(
        title=thing.title,
        axis=_axis(axis, merge),
        same=same,
        monitored=None if first is None else _tuple(first[0][1:-1]),
        monitored_errors=_errors(one, first),
        monitored_flow=None if first is None else (float(first[0][0]), float(first[0][-1])),
        reference=None if second is None else _tuple(second[0][1:-1]),
        reference_errors=_errors(other, second),
        reference_flow=None if second is None else (float(second[0][0]), float(second[0][-1])),
        pulls=pulls,
        note="; ".join(notes),
    )


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())


def _errors(
    histogram: Histogram | None, drawn: tuple[Floats, Floats] | None
) -> tuple[float, ...] | None:
    if histogram is None or drawn is None or histogram.sumw2 is None:
        return None
    return _tuple(np.sqrt(drawn[1][1:-1]))


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
        unit=axis.unit,
        bins=len(edges) - 1,
        lower=float(edges[0]),
        upper=float(edges[-1]),
        edges=None if even else _tuple(edges),
        labels=axis.labels if merge == 1 else None,
    )


def _cells(item: Item) -> ReportTable | None:
    """Return a compared table with its own numbers, the reference's beside those that differ."""
    one, other = item.monitored, item.reference
    shown = one if isinstance(one, Table) else other
    if not isinstance(shown, Table) or shown.values.size > MOST_SHOWN_CELLS:
        return None
    marked: list[tuple[int, int]] = []
    if isinstance(one, Table) and isinstance(other, Table) and item.numbers is not None:
        apart = (one.values != other.values) & ~(np.isnan(one.values) & np.isnan(other.values))
        marked = [(int(row), int(column) + 1) for row, column in np.argwhere(apart)]
    plain = table_to_show(shown)
    verb = "differs" if len(marked) == 1 else "differ"
    caption = f"{count_of(len(marked), 'cell')} {verb} from the reference" if marked else ""
    return plain.model_copy(update={"marked": tuple(marked), "caption": caption})

"""The report on a terminal: rich tables, or the same lines without colour in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reprun.report.model import (
    Report,
    ReportItem,
    ReportTable,
    brief,
    details_left_out,
    finite,
    measured,
    shown,
)
from reprun.wording import count_of, visible

MOST_FAILURES = 20
MOST_EXPLAINED = 3
STYLES = {
    "identical": "green",
    "equal": "green",
    "compatible": "cyan",
    "changed": "yellow",
    "different": "red",
    "not comparable": "magenta",
    "renamed": "yellow",
    "extra": "yellow",
    "missing": "red",
    "new": "yellow",
}
MARKS = {
    "reproduced": ("✓", "bold green"),
    "not reproduced": ("✗", "bold red"),
    "no reference": ("?", "bold yellow"),
}


def renderable(report: Report, *, written: Sequence[tuple[str, str]] = ()) -> RenderableType:
    """Return what a rich console shows of a report; the verdict's sentence comes last but paths.

    `written` names files for the reader: (what, path).
    """
    parts: list[RenderableType] = [_heading(report)]
    parts += [_table(table) for table in report.tables]
    failed = [item for item in report.items if not item.passes]
    if failed:
        parts.append(_objects(failed[:MOST_FAILURES]))
        if len(failed) > MOST_FAILURES:
            parts.append(Text(f"  … and {len(failed) - MOST_FAILURES:,} more", style="dim"))
    explained = [item for item in failed if item.explained]
    for item in explained[:MOST_EXPLAINED]:
        if item.differences:
            parts.append(_differences(item, report.sides))
        if item.needed:
            about = "to pass" if item.differences else f"{visible(item.name)}, to pass"
            parts.append(_line(about, item.needed, "dim"))
    if more := details_left_out(explained, MOST_EXPLAINED):
        parts.append(Text(more, style="dim"))
    if report.first_drift:
        parts.append(_line("first drift", report.first_drift.sentence, "bold yellow"))
    parts += [_line("cause", cause, "bold yellow") for cause in report.causes]
    parts += [_line("ignored", f"{one.name}: {one.reason}", "dim") for one in report.ignored]
    parts += [_line("note", note, "dim") for note in report.notes]
    parts.append(_verdict(report))
    if report.reference:
        parts.append(Text(visible(report.reference.sentence), style="dim"))
    if report.hint:
        parts.append(_line("try", report.hint, "bold"))
    parts += [_line(what, path, "dim") for what, path in written]
    return Group(*parts)


def _heading(report: Report) -> Text:
    about = report.analysis
    # Two files on their own have no other name than the title.
    parts = [about.name] if about.name not in about.title else []
    parts += [f"variant {about.variant}"] if about.variant else []
    parts += [f"image {about.image}"] if about.image else []
    parts += [f"data {about.dataset}"] if about.dataset else []
    parts += [about.tier] if about.tier else []
    under = ("\n" + visible(" · ".join(parts)), "dim") if parts else ""
    return Text.assemble((visible(about.title), "bold"), under)


def _verdict(report: Report) -> Text:
    mark, style = MARKS[report.status]
    return Text(f"\n{mark} {visible(report.sentence)}", style=style)


def _line(label: str, text: str, style: str) -> Text:
    return Text.assemble((f"{label}: ", style), visible(text))


def _table(table: ReportTable) -> RenderableType:
    grid = Table(
        title=Text(visible(table.title)) if table.title else None,
        caption=Text(visible(table.caption)) if table.caption else None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    for index, column in enumerate(table.columns):
        numeric = all(isinstance(row[index], float | int) for row in table.rows)
        grid.add_column(Text(visible(column)), justify="right" if numeric else "left")
    for row in table.rows:
        grid.add_row(*(Text(visible(shown(cell))) for cell in row))
    return Padding(grid, (1, 0, 0, 0))


def _objects(items: Sequence[ReportItem]) -> RenderableType:
    grid = Table(box=SIMPLE_HEAD, show_edge=False)
    grid.add_column("object", overflow="fold", ratio=2)
    grid.add_column("verdict", no_wrap=True)
    grid.add_column("why", overflow="fold", ratio=5)
    for item in items:
        notes = "".join(f"\n{note}" for note in item.notes)
        why = Text.assemble(visible(item.sentence), (visible(notes), "dim"))
        grid.add_row(Text(visible(item.name)), Text(item.verdict, style=STYLES[item.verdict]), why)
    return Padding(grid, (1, 0, 0, 0))


def _differences(item: ReportItem, sides: tuple[str, str]) -> RenderableType:
    count = item.beyond or item.differing
    first = f"the first {len(item.differences)} of " if count > len(item.differences) else ""
    what = count_of(count, f"differing {item.bins_or_cells}")
    grid = Table(
        title=Text(visible(f"{item.name}: {first}{what}{item.along}")),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    grid.add_column(item.bins_or_cells)
    for heading in (*map(brief, sides), "ratio", "pull"):
        grid.add_column(Text(visible(heading)), justify="right")
    shown_sides = (
        _measured([(one.monitored, one.monitored_error) for one in item.differences]),
        _measured([(one.reference, one.reference_error) for one in item.differences]),
    )
    for one, run, reference in zip(item.differences, *shown_sides, strict=True):
        grid.add_row(Text(visible(one.label)), run, reference, one.quotient, finite(one.pull))
    return Padding(grid, (1, 0, 0, 0))


def _measured(values: Sequence[tuple[float, float | None]]) -> list[str]:
    """Return values with their errors, one sign below the other."""
    cells = [measured(value, error) for value, error in values]
    widest = max(len(cell.partition("±")[2]) for cell in cells)
    return [cell + " " * (widest - len(cell.partition("±")[2])) for cell in cells]

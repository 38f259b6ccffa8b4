"""The report on a terminal: rich tables, or the same lines without colour in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from reprun.report.grid import Column, Grid, indented, styled
from reprun.report.marks import LOOKS
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
from reprun.wording import count_of, name_shown, visible

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


def renderable(
    report: Report, *, written: Sequence[tuple[str, str]] = (), scope: bool = False
) -> RenderableType:
    """Return what a rich console shows of a report; the verdict's sentence comes last but paths.

    `written` names files for the reader: (what, path). With `scope` it also says what of any file
    no verdict covers.
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
            about = "to pass" if item.differences else f"{visible(name_shown(item.name))}, to pass"
            parts.append(_line(about, item.needed, "dim"))
    if more := details_left_out(explained, MOST_EXPLAINED):
        parts.append(indented(styled((more, "dim"))))
    if report.first_drift:
        parts.append(_line("first drift", report.first_drift.sentence, "bold yellow"))
    parts += [_line("cause", cause, "bold yellow") for cause in report.causes]
    parts += [_line("ignored", f"{one.name}: {one.reason}", "dim") for one in report.ignored]
    parts += [_line("note", note, "dim") for note in report.notes]
    parts += [_line("left out", report.left_out, "dim")] if scope else []
    parts.append(_verdict(report))
    if report.reference:
        parts.append(indented(styled((report.reference.sentence, "dim"))))
    if report.hint:
        parts.append(_typed("try", report.hint, "bold"))
    parts += [_typed(what, path, "dim") for what, path in written]
    return Group(*parts)


def _heading(report: Report) -> RenderableType:
    about = report.analysis
    # Two files on their own have no other name than the title.
    parts = [about.name] if about.name not in about.title else []
    parts += [f"variant {about.variant}"] if about.variant else []
    parts += [f"image {about.image}"] if about.image else []
    parts += [f"data {about.dataset}"] if about.dataset else []
    parts += [about.tier] if about.tier else []
    under = ("\n" + visible(" · ".join(parts)), "dim") if parts else ""
    return indented(Text.assemble((visible(about.title), "bold"), under))


def _verdict(report: Report) -> RenderableType:
    look = LOOKS[report.status]
    mark, style = look.mark, f"bold {look.colour}"
    return Group(Text(""), indented(styled((f"{mark} {report.sentence}", style))))


def _line(label: str, text: str, style: str) -> RenderableType:
    return indented(styled((f"{label}: ", style), text))


def _typed(label: str, text: str, style: str) -> RenderableType:
    """Return a line that somebody copies: never wrapped."""
    return styled((f"{label}: ", style), text, wrap=False)


def _table(table: ReportTable) -> RenderableType:
    numeric = [
        all(isinstance(row[index], float | int) for row in table.rows)
        for index in range(len(table.columns))
    ]
    grid = Grid(
        [Column(name, right=right) for name, right in zip(table.columns, numeric, strict=True)],
        [[shown(cell) for cell in row] for row in table.rows],
    )
    return _titled(table.title, grid, table.caption)


def _titled(title: str, grid: Grid, caption: str = "") -> RenderableType:
    """Return a table with an empty line before it, its title above and its caption below."""
    parts: list[RenderableType] = [Text("")]
    parts += [indented(styled((title, "italic")))] if title else []
    parts += [grid]
    parts += [indented(styled((caption, "dim")))] if caption else []
    return Group(*parts)


def _objects(items: Sequence[ReportItem]) -> RenderableType:
    rows: list[Sequence[str | Text]] = []
    for item in items:
        notes = "".join(f"\n{note}" for note in item.notes)
        why = styled(item.sentence, (notes, "dim"))
        rows.append([name_shown(item.name), styled((item.verdict, STYLES[item.verdict])), why])
    columns = (Column("object"), Column("verdict", plain=True), Column("why", prose=True))
    return _titled("", Grid(columns, rows))


def _differences(item: ReportItem, sides: tuple[str, str]) -> RenderableType:
    count = item.beyond or item.differing
    first = f"the first {len(item.differences)} of " if count > len(item.differences) else ""
    what = count_of(count, f"differing {item.bins_or_cells}")
    headings = (*map(brief, sides), "ratio", "pull")
    columns = [Column(item.bins_or_cells), *(Column(each, right=True) for each in headings)]
    shown_sides = (
        _measured([(one.monitored, one.monitored_error) for one in item.differences]),
        _measured([(one.reference, one.reference_error) for one in item.differences]),
    )
    rows = [
        (one.label, run, reference, one.quotient, finite(one.pull))
        for one, run, reference in zip(item.differences, *shown_sides, strict=True)
    ]
    return _titled(f"{name_shown(item.name)}: {first}{what}{item.along}", Grid(columns, rows))


def _measured(values: Sequence[tuple[float, float | None]]) -> list[str]:
    """Return values with their errors, one sign below the other."""
    cells = [measured(value, error) for value, error in values]
    widest = max(len(cell.partition("±")[2]) for cell in cells)
    return [cell + " " * (widest - len(cell.partition("±")[2])) for cell in cells]

"""What the commands that run and compare say to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from reprun.cli.output import shown_path
from reprun.cli.verbose import is_verbose
from reprun.documents.record import REPORT_HTML
from reprun.report.grid import styled
from reprun.report.model import Report
from reprun.report.text import renderable
from reprun.runs.directory import OUTPUTS
from reprun.workflow.rerun import Nothing

if TYPE_CHECKING:
    from reprun.report.matrix import MatrixReport
    from reprun.runs.run import RunOutcome


def report_text(
    report: Report, *, written: Sequence[tuple[str, str]] = ()
) -> Iterator[RenderableType]:
    """Yield a report; the sentence of the verdict stands at the end, before the paths."""
    yield renderable(report, written=written, scope=is_verbose())


def outcome_text(outcome: RunOutcome) -> Iterator[RenderableType]:
    """Yield what a run gives: tables, verdict, and where plot and report are."""
    written = [("plot", shown_path(outcome.directory / p.path)) for p in outcome.report.plots]
    if outcome.report.status == "no reference":
        written.append(("outputs", shown_path(outcome.directory / OUTPUTS)))
    written.append(("report", shown_path(outcome.directory / REPORT_HTML)))
    for change in outcome.lock_changes:
        yield styled((f"lock updated: {change}", "yellow"))
    yield from report_text(outcome.report, written=written)
    if outcome.red:
        yield styled((outcome.red, "bold"))
    if isinstance(outcome.rerun, Nothing):
        since = f"{outcome.record.finished:%Y-%m-%d %H:%M} UTC"
        yield styled(
            (f"nothing ran: {outcome.rerun.reason} since {since} (--again runs every step)", "dim")
        )


def matrix_text(matrix: MatrixReport, page: Path) -> Iterator[RenderableType]:
    """Yield one row for each cell, the sentence, and where the page is."""
    from reprun.report.matrix import matrix_renderable

    yield matrix_renderable(matrix)
    yield f"page: {shown_path(page)}"

"""What the commands print on standard output."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprun.documents.analysis import Analysis
from reprun.documents.record import REPORT_HTML
from reprun.engines.choose import ENGINES, make_engine
from reprun.errors import EngineError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.project import Project
from reprun.report.model import Report
from reprun.store.store import Store
from reprun.wording import count_of

if TYPE_CHECKING:
    from reprun.report.matrix import MatrixReport
    from reprun.runs.run import RunOutcome

MIN_WIDTH = 100


class _Console(Console):
    """A console that leaves it to the command line what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def output_console() -> Console:
    """Return a console on standard output, wide enough that no table cuts digits off."""
    return _Console(highlight=False, width=max(_Console().width, MIN_WIDTH))


def print_report(report: Report, *, written: Sequence[tuple[str, str]] = ()) -> None:
    """Print a report; the sentence of the verdict stands at the end, before the paths."""
    from reprun.report.text import render_text, renderable

    console = output_console()
    if console.is_terminal:
        console.print(renderable(report, written=written))
    else:
        print(render_text(report, written=written, width=MIN_WIDTH), end="")


def print_summary(outcome: RunOutcome) -> None:
    """Print what a run gives: tables, verdict, and where plot and report are."""
    written = [("plot", _shown(outcome.directory / plot.path)) for plot in outcome.report.plots]
    written.append(("report", _shown(outcome.directory / REPORT_HTML)))
    for change in outcome.lock_changes:
        output_console().print(Text(f"lock updated: {change}", style="yellow"))
    print_report(outcome.report, written=written)
    if not outcome.ran:
        output_console().print(
            Text(
                f"nothing ran: {outcome.reason} since {outcome.record.finished:%Y-%m-%d %H:%M} "
                "UTC (--again runs every step)",
                style="dim",
            )
        )


def print_matrix(matrix: MatrixReport, results: Path) -> None:
    """Print one row for each cell, the sentence, and where the page is."""
    from reprun.report.matrix import matrix_renderable, matrix_text
    from reprun.runs.matrix import HOME, PAGE

    console = output_console()
    if console.is_terminal:
        console.print(matrix_renderable(matrix))
    else:
        print(matrix_text(matrix, MIN_WIDTH + 40), end="")
    print(f"page: {_shown(results.resolve() / HOME / PAGE)}")


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of `listed`, one line for each variant."""
    if not rows:
        output_console().print("no analysis yet; try: reprun new NAME --from FILE")
        return
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column, width in (("name", 16), ("title", 30), ("experiment", 10), ("level", 5)):
        grid.add_column(column, overflow="fold", max_width=width)
    grid.add_column("variant", overflow="fold", max_width=14)
    grid.add_column("last verdict here", overflow="fold")
    for row in rows:
        verdicts = row.get("verdicts") or {"": row["verdict"]}
        facts = [str(row.get(key, "")) for key in ("name", "title", "experiment", "level")]
        # One grid row for each variant would tear the title apart: lines within one row instead.
        told = (*facts, "\n".join(verdicts), "\n".join(map(str, verdicts.values())))
        grid.add_row(*(Text(each) for each in told))
    output_console().print(grid)


def print_analysis(analysis: Analysis) -> None:
    """Print what is in `analysis.yaml`."""
    console = output_console()
    console.print(Text(analysis.title, style="bold"))
    console.print(Text(analysis.description.strip()))
    lines = {
        "experiment": f"{analysis.experiment}, DPHEP level {analysis.dphep_level}",
        "variants": ", ".join(f"{n} (image {v.image})" for n, v in analysis.variants.items()),
        "datasets": ", ".join(
            f"{name} ({count_of(len(dataset.files), 'file')})"
            for name, dataset in analysis.datasets.items()
        ),
        "parameters": ", ".join(f"{n}={v}" for n, v in analysis.parameters.items()),
        "outputs": ", ".join(analysis.outputs.all),
    }
    for rule in analysis.compare:
        tolerance = f" within {rule.relative:g}" if rule.relative else ""
        why = f": {rule.reason}" if rule.reason else ""
        lines[f"compare {rule.match}"] = f"{rule.kind}{tolerance}{why}"
    for citation in analysis.citations:
        lines[f"cite {citation.doi or citation.record or ''}"] = citation.title
    for label, text in ((label, text) for label, text in lines.items() if text):
        console.print(Text.assemble((f"{label}: ", "bold"), text))


def print_doctor(image: str | None = None) -> int:
    """Print what this host offers, and whether it has what an image needs.

    Return 0 if an engine works and nothing the image needs is missing, else 3.
    """
    console = output_console()
    store = Store.default()
    works = False
    for name in ENGINES:
        try:
            status = make_engine(name, store).self_check()
        except EngineError as error:
            console.print(Text.assemble((f"✗ {name}: ", "red"), error.message))
            console.print(Text(f"    try: {error.hint}", style="dim"))
            continue
        works = True
        console.print(Text.assemble((f"✓ {name} ", "green"), status.version))
        for what in status.unenforced:
            console.print(Text(f"    cannot set: {what}", style="yellow"))
    free = os.statvfs(store.directory("incoming"))
    gigabytes = free.f_bavail * free.f_frsize / 1e9
    console.print(Text(f"store: {store.root}, {gigabytes:.1f} GB free"))
    if image is not None:
        from reprun.images.doctor import Level, examine

        marks = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow")}
        console.print(Text(f"image {image}:", style="bold"))
        for finding in examine(image, Catalogue.of(Project.look_up()), store):
            mark, colour = marks.get(finding.level, ("✗", "red"))
            works = works and finding.level is not Level.PROBLEM
            console.print(Text.assemble((f"{mark} ", colour), finding.what))
            if finding.remedy:
                console.print(Text(f"    try: {finding.remedy}", style="dim"))
    return 0 if works else 3

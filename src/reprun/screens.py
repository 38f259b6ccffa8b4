"""What the commands print on standard output."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprun.engines.choose import ENGINES, make_engine
from reprun.errors import EngineError, OutputMissingError, ReprunError
from reprun.images.catalogue import Catalogue
from reprun.project import Project
from reprun.record import RECORD, REPORT_HTML, REPORT_JSON, read_record
from reprun.report.model import Report, read_report
from reprun.spec import Analysis, load_analysis
from reprun.store import Store

if TYPE_CHECKING:
    from reprun.report.matrix import MatrixReport
    from reprun.run import RunOutcome

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
    from reprun.report.text import render_text, renderable  # noqa: PLC0415

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
    from reprun.matrix import HOME, PAGE  # noqa: PLC0415
    from reprun.report.matrix import matrix_renderable, matrix_text  # noqa: PLC0415

    console = output_console()
    if console.is_terminal:
        console.print(matrix_renderable(matrix))
    else:
        print(matrix_text(matrix, MIN_WIDTH + 40), end="")
    print(f"page: {_shown(results.resolve() / HOME / PAGE)}")


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def listed(results: Path) -> list[dict[str, str]]:
    """Return one row for each analysis: name, title, experiment, variants, last verdict."""
    project = Project.find()
    rows = []
    for name in project.analysis_names():
        try:
            analysis = load_analysis(project.analyses / name)
        except ReprunError as error:
            rows.append({"name": name, "title": error.message, "verdict": "cannot be read"})
            continue
        rows.append(
            {
                "name": name,
                "title": analysis.title,
                "experiment": analysis.experiment,
                "level": analysis.dphep_level,
                "variants": ", ".join(analysis.variants),
                "datasets": ", ".join(analysis.datasets),
                "verdict": _last_verdict(results / name),
            }
        )
    return rows


def _last_verdict(directory: Path) -> str:
    reports = sorted(
        directory.glob(f"*/{REPORT_JSON}"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    unfinished = [
        (record, path.parent)
        for path in directory.glob(f"*/{RECORD}")
        if (record := read_record(path.parent)) is not None and record.status != "finished"
    ]
    if unfinished:
        record, where = max(unfinished, key=lambda pair: pair[0].finished)
        return f"{record.status} ({where.name})"
    for path in reports:
        try:
            report = read_report(path.read_text(encoding="utf-8"), str(path))
        except OutputMissingError:
            continue
        return f"{report.status} ({path.parent.name})"
    return "not run here"


def print_list(rows: Sequence[Mapping[str, str]]) -> None:
    """Print the rows of `listed`."""
    grid = Table(box=SIMPLE_HEAD, show_edge=False)
    columns = ("name", "title", "experiment", "level", "variants", "verdict")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(row.get(column, "")) for column in columns))
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
            f"{name} ({len(dataset.files)} files)" for name, dataset in analysis.datasets.items()
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
        from reprun.images.doctor import Level, examine  # noqa: PLC0415 - only when asked for

        marks = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow")}
        console.print(Text(f"image {image}:", style="bold"))
        for finding in examine(image, Catalogue(Project.find().images), store):
            mark, colour = marks.get(finding.level, ("✗", "red"))
            works = works and finding.level is not Level.PROBLEM
            console.print(Text.assemble((f"{mark} ", colour), finding.what))
            if finding.remedy:
                console.print(Text(f"    try: {finding.remedy}", style="dim"))
    return 0 if works else 3

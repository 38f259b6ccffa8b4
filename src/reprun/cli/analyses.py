"""The commands about analyses as they are: list, show, lock, bless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reprun.cli.options import AnalysisArgument, Asked, FormatOption, ResultsOption, choosing


def list_analyses(
    results: ResultsOption = Path("results"), output_format: FormatOption = "text"
) -> None:
    """List the analyses with their last verdict here."""
    from reprun.cli.output import print_list
    from reprun.project import Project
    from reprun.runs.history import listed

    rows = listed(Project.find(), results)
    if output_format == "json":
        print(json.dumps(rows, indent=1))
    else:
        print_list(rows)


def show(
    analysis: AnalysisArgument,
    results: ResultsOption = Path("results"),
    output_format: FormatOption = "text",
) -> None:
    """Show an analysis: variants, datasets, outputs, how each object is compared."""
    from reprun.cli.output import print_analysis
    from reprun.documents.analysis import load_analysis
    from reprun.project import Project
    from reprun.runs.history import analysis_document

    directory = Project.find().analysis_directory(analysis)
    loaded = load_analysis(directory)
    if output_format == "json":
        document = analysis_document(loaded, directory, results)
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print_analysis(loaded)


def lock(analysis: AnalysisArgument) -> None:
    """Write analysis.lock with every digest as it stands now; say what changed."""
    from reprun.documents.selection import select
    from reprun.project import Project
    from reprun.runs.lock import LOCK, renew_lock, write_lock
    from reprun.store.store import Store

    selection = select(Project.find(), analysis)
    if selection.analysis.datasets:
        from reprun.data import check_committed

        for dataset in selection.analysis.datasets.values():
            check_committed(dataset, selection.directory)
    locked, changes = renew_lock(selection, Store.default())
    write_lock(locked, selection.directory)
    for change in changes:
        print(change)
    print(f"locked: {selection.directory / LOCK}")


@choosing
def bless(
    asked: Asked,
    reason: Annotated[str, typer.Option(help="Why these numbers are right.")],
    author: Annotated[str, typer.Option(help="Who says so. Default: git's user.name.")] = "",
    results: ResultsOption = Path("results"),
) -> None:
    """Make the last run's histograms and tables the reference, and lock it."""
    from reprun.runs.blessing import bless_last_run

    selection = asked.select()
    for name in bless_last_run(selection, results, reason=reason, author=author):
        print(name)
    print(f"blessed and locked; now: {selection.command('run')}")


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("list")(list_analyses)
    app.command()(show)
    app.command()(lock)
    app.command()(bless)

"""The commands about analyses as they are: list, show, lock, bless."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reprun.cli.options import AnalysisArgument, Asked, FormatOption, ResultsOption, choosing


def list_analyses(
    results: ResultsOption = Path("results"), output_format: FormatOption = "text"
) -> None:
    """List the analyses with their last verdict here."""
    from reprun.cli.analyses_output import list_text
    from reprun.cli.output import answer
    from reprun.documents.project import Project
    from reprun.runs.history import listed

    rows = listed(Project.find(), results)
    answer("analysis-list", output_format, {"analyses": rows}, list_text(rows))


def show(
    analysis: AnalysisArgument,
    results: ResultsOption = Path("results"),
    output_format: FormatOption = "text",
) -> None:
    """Show an analysis: variants, datasets, outputs, comparisons."""
    from reprun.cli.analyses_output import analysis_text
    from reprun.cli.output import answer
    from reprun.documents.analysis import load_analysis
    from reprun.documents.project import Project
    from reprun.runs.history import analysis_document

    directory = Project.find().analysis_directory(analysis)
    loaded = load_analysis(directory)
    document = analysis_document(loaded, directory, results)
    answer("analysis", output_format, document, analysis_text(loaded))


def lock(analysis: AnalysisArgument, output_format: FormatOption = "text") -> None:
    """Write analysis.lock with every digest; say what changed."""
    from reprun.cli.output import answer
    from reprun.documents.project import Project
    from reprun.documents.selection import select
    from reprun.runs.lock import LOCK, renew_lock, write_lock
    from reprun.store.store import Store

    selection = select(Project.find(), analysis)
    if selection.analysis.datasets:
        from reprun.data import check_committed

        for dataset in selection.analysis.datasets.values():
            check_committed(dataset, selection.directory)
    locked, changes = renew_lock(selection, Store.default())
    write_lock(locked, selection.directory)
    path = selection.directory / LOCK
    facts = {
        "analysis": selection.analysis.name,
        "path": str(path),
        "changes": [asdict(each) for each in changes],
    }
    answer("lock", output_format, facts, [*map(str, changes), f"locked: {path}"])


@choosing
def bless(
    asked: Asked,
    reason: Annotated[str, typer.Option(help="Why these numbers are right.")],
    author: Annotated[str, typer.Option(help="Who says so. Default: git's user.name.")] = "",
    output_format: FormatOption = "text",
) -> None:
    """Make the last run's outputs the reference, and lock it."""
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.runs.blessing import bless_last_run
    from reprun.store.store import Store

    selection = asked.select()
    names = bless_last_run(
        selection, Store.default(), progress_on_stderr(), reason=reason, author=author
    )
    following = selection.command("run")
    facts = {"analysis": selection.analysis.name, "reference": list(names), "next": following}
    answer("blessing", output_format, facts, [*names, f"blessed and locked; now: {following}"])


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("list")(list_analyses)
    app.command()(show)
    app.command()(lock)
    app.command()(bless)

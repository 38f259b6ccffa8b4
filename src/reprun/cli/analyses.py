"""The commands about analyses as they are: list, show, lock, bless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reprun.cli.options import (
    AnalysisArgument,
    DataOption,
    FormatOption,
    FractionOption,
    MaxEventsOption,
    ResultsOption,
    VariantOption,
)


def list_analyses(
    results: ResultsOption = Path("results"), output_format: FormatOption = "text"
) -> None:
    """List the analyses with their last verdict here."""
    from reprun.cli.output import print_list
    from reprun.runs.history import listed

    rows = listed(results)
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
    from reprun.documents.analysis import check_name, load_analysis
    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.project import Project
    from reprun.runs.lock import enforce_lock, write_lock
    from reprun.store.store import Store

    project = Project.find()
    directory = project.analysis_directory(analysis)
    loaded = load_analysis(directory)
    check_name(loaded, directory)
    if loaded.datasets:
        from reprun.data import check_committed

        for dataset in loaded.datasets.values():
            check_committed(dataset, directory)
    catalogue, store = Catalogue(project.images), Store.default()
    locked, changes = enforce_lock(loaded, directory, catalogue, update=True, store=store)
    write_lock(locked, directory)
    for change in changes:
        print(change)
    print(f"locked: {directory / 'analysis.lock'}")


def bless(
    analysis: AnalysisArgument,
    reason: Annotated[str, typer.Option(help="Why these numbers are right.")],
    author: Annotated[str, typer.Option(help="Who says so. Default: git's user.name.")] = "",
    variant: VariantOption = None,
    dataset: DataOption = None,
    max_events: MaxEventsOption = None,
    fraction: FractionOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Make the last run's histograms and tables the reference, and lock it."""
    from reprun.documents.analysis import tier_of
    from reprun.runs.blessing import bless_last_run

    tier = tier_of(max_events, fraction)
    for name in bless_last_run(
        analysis, variant, dataset, tier, results, reason=reason, author=author
    ):
        print(name)
    which = f" --variant {variant}" if variant else ""
    which += f" --data {dataset}" if dataset else ""
    which += f" {tier.option}" if tier else ""
    print(f"blessed and locked; now: reprun run {analysis}{which}")


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("list")(list_analyses)
    app.command()(show)
    app.command()(lock)
    app.command()(bless)

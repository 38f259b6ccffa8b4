"""The command that draws a badge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reprun.cli.completion import analysis_names
from reprun.cli.options import FormatOption, ResultsOption, VariantOption, project_here


def badge(
    analysis: Annotated[
        str | None,
        typer.Argument(
            metavar="[ANALYSIS]",
            help="Name of an analysis, or its directory.",
            autocompletion=analysis_names,
        ),
    ] = None,
    all_analyses: Annotated[
        bool, typer.Option("--all", help="One badge for every analysis of the project.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the SVG there.")
    ] = None,
    variant: VariantOption = None,
    max_age: Annotated[
        int | None,
        typer.Option(min=0, metavar="DAYS", help="Let an older verdict say nothing of today."),
    ] = None,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Draw a badge with the verdict that the last run sealed.

    It is green where every cell is reproduced, by a verdict whose inputs are still those of the
    project. The exit code says whether the badge was drawn, not what it says.
    """
    import datetime as dt
    from dataclasses import asdict

    from reprun.cli.output import answer
    from reprun.errors import SpecificationError
    from reprun.report.badge import badge as badge_of
    from reprun.report.grid import indented
    from reprun.runs.standing import Asked, standings, standings_of_all

    if (analysis is None) != all_analyses or (all_analyses and variant):
        raise SpecificationError(
            "a badge is of one ANALYSIS, in a --variant of it, or of --all",
            hint="reprun badge --all -o reprun.svg",
        )
    project = project_here(results)
    most = None if max_age is None else dt.timedelta(days=max_age)
    now = dt.datetime.now(dt.UTC)
    if analysis is None:
        made = badge_of("reprun", standings_of_all(project, Asked(now, most, results)))
    else:
        cells = standings(project, analysis, Asked(now, most, results), variant)
        made = badge_of(cells[0].analysis, cells)
    facts = {
        "label": made.label,
        "message": made.message,
        "banner": made.banner,
        "cells": [asdict(cell) for cell in made.cells],
        "file": None if output is None else str(output),
    }
    answer(
        "badge",
        output_format,
        facts,
        [f"{made.label}: {made.message}", *(indented(one.sentence, "   ") for one in made.cells)],
        documents={"svg": lambda: made.svg},
        files={"svg": output},
    )


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(badge)

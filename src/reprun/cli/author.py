"""The commands of those who write an analysis: new, plan, lint, cite."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprun.cli.options import (
    Asked,
    FormatOption,
    ParameterOption,
    ResultsOption,
    choosing,
    parameters_of,
)

if TYPE_CHECKING:
    from reprun.authoring.lint import Finding


@choosing
def plan(
    asked: Asked,
    parameter: ParameterOption = None,
    results: ResultsOption = Path("results"),
    output_format: FormatOption = "text",
) -> None:
    """Print every container, mount and command of a run, and run nothing."""
    from reprun.runs.planning import plan_analysis, plan_document
    from reprun.runs.request import RunRequest

    request = RunRequest(
        asked.select(),
        parameters=parameters_of(parameter or []),
        results=results,
    )
    planned = plan_analysis(request)
    if output_format == "json":
        print(json.dumps(plan_document(planned), indent=1))
    else:
        from reprun.cli.author_output import print_plan

        print_plan(planned)
    faulty = any(step.fault for step in planned.steps)
    raise typer.Exit(2 if faulty else 0)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the analysis is called.")],
    source: Annotated[
        Path,
        typer.Option("--from", metavar="FILE", help="ROOT file (histograms or a tree) or CSV."),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Draw this one (again for more). Default: the first 6."),
    ] = None,
    tree: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: the tree with most events.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="One line on what it is.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="CMS, ATLAS …; plots are in its style.")
    ] = None,
    record: Annotated[str | None, typer.Option(help="Record of the data on the portal.")] = None,
    doi: Annotated[str | None, typer.Option(help="DOI of the data.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data (SPDX).")] = None,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Make it in DIR/NAME. Default: the project's analyses."),
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Write an analysis of a file of events or histograms that runs at once."""
    from reprun.authoring.new import Request, known_experiment, new_analysis
    from reprun.project import Project

    created = new_analysis(
        Request(
            name=name,
            source=source,
            directory=directory,
            title=title,
            experiment=known_experiment(experiment) if experiment else None,
            columns=tuple(column or ()),
            tree=tree,
            record=record,
            doi=doi,
            licence=licence,
        ),
        Project.find(),
    )
    if output_format == "json":
        found = created.survey
        document = {
            "schema_version": 1,
            "directory": str(created.directory),
            "files": list(created.files),
            "kind": found.kind,
            "drawn": [each.name for each in found.columns or found.spectra],
            "left_out": dict(found.left_out),
            "copied": created.copied,
        }
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        from reprun.cli.author_output import print_created

        print_created(created)


@choosing
def cite(
    asked: Asked,
    output_format: Annotated[
        Literal["text", "bibtex", "json"],
        typer.Option("--format", help="How the result is printed."),
    ] = "text",
) -> None:
    """Print what to cite: the data, the software, acknowledgements and a disclaimer."""
    from reprun.authoring import cite as citing

    found = citing.cite(asked.select())
    if output_format == "json":
        print(json.dumps(citing.document(found), indent=1, ensure_ascii=False))
    elif output_format == "bibtex":
        print(citing.bibtex(found), end="")
    else:
        from reprun.cli.author_output import print_citing

        print_citing(found)


@choosing
def lint(
    asked: Asked,
    output_format: FormatOption = "text",
) -> None:
    """Find what would not work elsewhere: on REANA, in Snakemake 7.32, in years."""
    from reprun.authoring.lint import finding_document
    from reprun.reana.local.specification import project_file

    found: list[Finding]
    if (project := project_file(asked.analysis)) is not None:
        from reprun.cli.reana_project import refuse_options
        from reprun.reana.local.lint import lint_project

        refuse_options(asked.options())
        found = lint_project(project)
    else:
        found = _findings_of_variants(asked)
    if output_format == "json":
        print(json.dumps([finding_document(one) for one in found], indent=1))
    else:
        from reprun.cli.author_output import print_findings

        print_findings(found)
    raise typer.Exit(2 if any(one.level == "error" for one in found) else 0)


def _findings_of_variants(asked: Asked) -> list[Finding]:
    """Return what lint finds in the variant asked for, or in every variant."""
    from reprun.authoring.lint import in_order, lint_analysis

    selection = asked.select()
    variants = [selection.variant] if asked.variant else list(selection.analysis.variants)
    found = []
    for name in variants:
        found += lint_analysis(replace(selection, variant=name))
    return in_order(found)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(new)
    app.command()(plan)
    app.command()(lint)
    app.command()(cite)

"""The commands of those who write an analysis: new, plan, lint, cite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprun.cli.options import (
    Asked,
    FormatOption,
    ParameterOption,
    TrustOption,
    choosing,
    parameters_of,
)

if TYPE_CHECKING:
    from reprun.authoring.lint import Finding
    from reprun.engines.confinement import Confinement


@choosing
def plan(
    asked: Asked,
    parameter: ParameterOption = None,
    trust_snakefile: TrustOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Print every container, mount and command; run nothing."""
    from reprun.cli.author_output import plan_text
    from reprun.cli.output import answer
    from reprun.runs.planning import plan_analysis, plan_document
    from reprun.runs.request import RunRequest

    request = RunRequest(
        asked.select(),
        parameters=parameters_of(parameter or []),
    )
    planned = plan_analysis(request, _confinement(trust_snakefile))
    answer("plan", output_format, plan_document(planned), plan_text(planned))
    faulty = any(step.fault for step in planned.steps)
    raise typer.Exit(2 if faulty else 0)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the analysis is called.")],
    source: Annotated[
        Path,
        typer.Option("--from", metavar="FILE", help="ROOT (histograms, a tree), Parquet or CSV."),
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
    """Write an analysis of a file of events or histograms."""
    from reprun.authoring.new import Request, known_experiment, new_analysis
    from reprun.authoring.surveyed import in_sandbox
    from reprun.cli.author_output import created_text
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.documents.project import Project
    from reprun.store.store import Store

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
        in_sandbox(Store.default(), progress_on_stderr()),
    )
    found = created.survey
    facts = {
        "directory": str(created.directory),
        "files": list(created.files),
        "source": found.kind,
        "drawn": [each.name for each in found.columns or found.spectra],
        "left_out": dict(found.left_out),
        "copied": created.copied,
    }
    answer("new-analysis", output_format, facts, created_text(created))


@choosing
def cite(
    asked: Asked,
    output_format: Annotated[
        Literal["text", "bibtex", "json"],
        typer.Option("--format", help="How the result is printed."),
    ] = "text",
) -> None:
    """Print what to cite: data, software, acknowledgements."""
    from reprun.authoring import cite as citing
    from reprun.cli.author_output import citing_text
    from reprun.cli.output import answer

    found = citing.cite(asked.select())
    answer(
        "citation-list",
        output_format,
        citing.document(found),
        citing_text(found),
        documents={"bibtex": lambda: citing.bibtex(found)},
    )


@choosing
def lint(
    asked: Asked,
    trust_snakefile: TrustOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Find what would not work on REANA or in Snakemake 7.32."""
    from reprun.authoring.lint import finding_document
    from reprun.cli.author_output import findings_text
    from reprun.cli.output import answer
    from reprun.reana.local.specification import project_file

    found: list[Finding]
    if (project := project_file(asked.analysis)) is not None:
        from reprun.cli.reana_project import refuse_options
        from reprun.reana.local.lint import lint_project

        refuse_options(asked.options())
        found = lint_project(project, _confinement(trust_snakefile))
    else:
        found = _findings_of_variants(asked, _confinement(trust_snakefile))
    facts = {"analysis": asked.analysis, "findings": [finding_document(one) for one in found]}
    answer("finding-list", output_format, facts, findings_text(found))
    raise typer.Exit(2 if any(one.level == "error" for one in found) else 0)


def _confinement(trusted: bool) -> Confinement:
    """Return what the Snakefile is read in."""
    from reprun.cli.console import progress_on_stderr
    from reprun.engines.confinement import confinement
    from reprun.store.store import Store

    return confinement(Store.default(), trusted=trusted, progress=progress_on_stderr())


def _findings_of_variants(asked: Asked, confined: Confinement) -> list[Finding]:
    """Return what lint finds in the variant asked for, or in every variant."""
    from reprun.authoring.lint import in_order, lint_analysis

    selection = asked.select()
    variants = [selection.variant] if asked.variant else list(selection.analysis.variants)
    found = []
    for name in variants:
        found += lint_analysis(replace(selection, variant=name), confined)
    return in_order(found)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(new)
    app.command()(plan)
    app.command()(lint)
    app.command()(cite)

"""The commands of those who write an analysis: plan, lint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reprun.cli_options import (
    AnalysisArgument,
    DataOption,
    FormatOption,
    FractionOption,
    MaxEventsOption,
    ParameterOption,
    ResultsOption,
    VariantOption,
    parameters_of,
)

if TYPE_CHECKING:
    from reprun.lint import Finding


def plan(
    analysis: AnalysisArgument,
    variant: VariantOption = None,
    dataset: DataOption = None,
    max_events: MaxEventsOption = None,
    fraction: FractionOption = None,
    parameter: ParameterOption = None,
    results: ResultsOption = Path("results"),
    output_format: FormatOption = "text",
) -> None:
    """Print every container, mount and command of a run, and run nothing."""
    from reprun.cell import RunRequest  # noqa: PLC0415
    from reprun.planning import plan_analysis, plan_document  # noqa: PLC0415
    from reprun.spec import tier_of  # noqa: PLC0415

    request = RunRequest(
        analysis=analysis,
        variant=variant,
        dataset=dataset,
        tier=tier_of(max_events, fraction),
        parameters=parameters_of(parameter or []),
        results=results,
    )
    planned = plan_analysis(request)
    if output_format == "json":
        print(json.dumps(plan_document(planned), indent=1))
    else:
        from reprun.screens_author import print_plan  # noqa: PLC0415

        print_plan(planned)
    faulty = any(step.fault for step in planned.steps)
    raise typer.Exit(2 if faulty else 0)


def lint(
    analysis: AnalysisArgument,
    variant: VariantOption = None,
    dataset: DataOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Find what would not work elsewhere: on REANA, in Snakemake 7.32, in years."""
    from reprun.lint import finding_document  # noqa: PLC0415
    from reprun.reana_project.specification import project_file  # noqa: PLC0415

    found: list[Finding]
    if (project := project_file(analysis)) is not None:
        from reprun.reana_project.linting import lint_project  # noqa: PLC0415

        found = lint_project(project)
    else:
        found = _findings_of_variants(analysis, variant, dataset)
    if output_format == "json":
        print(json.dumps([finding_document(one) for one in found], indent=1))
    else:
        from reprun.screens_author import print_findings  # noqa: PLC0415

        print_findings(found)
    raise typer.Exit(2 if any(one.level == "error" for one in found) else 0)


def _findings_of_variants(analysis: str, variant: str | None, dataset: str | None) -> list[Finding]:
    from reprun.cell import RunRequest  # noqa: PLC0415
    from reprun.lint import in_order, lint_analysis  # noqa: PLC0415
    from reprun.project import Project  # noqa: PLC0415
    from reprun.spec import load_analysis  # noqa: PLC0415

    variants = [variant]
    if variant is None:
        variants = list(load_analysis(Project.find().analysis_directory(analysis)).variants)
    found = []
    for name in variants:
        request = RunRequest(analysis=analysis, variant=name, dataset=dataset)
        found += lint_analysis(request)
    return in_order(found)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(plan)
    app.command()(lint)

"""`run` and `lint` where their argument is a REANA project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from reprun.cli.options import Engine
from reprun.errors import SpecificationError


def refuse_options(given: Mapping[str, object]) -> None:
    """Raise SpecificationError for an option that means nothing for a REANA project."""
    for option, value in given.items():
        if value:
            raise SpecificationError(
                f"{option} is for analyses with an analysis.yaml, not for REANA projects",
                hint="reprun run --help",
            )


def run_project(
    path: Path,
    *,
    image_map: Sequence[str],
    parameters: Sequence[str],
    skip_scenarios: Sequence[str],
    engine: Engine,
    cores: int | None,
    results: Path | None,
    trust_snakefile: bool,
    json_file: Path | None,
    output_format: str,
) -> None:
    """Run a REANA project, print its verdict and exit with what it says."""
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.images_output import catalogue_here
    from reprun.cli.options import parameters_of
    from reprun.cli.output import answer
    from reprun.documents.project import Project, results_below
    from reprun.documents.record import REPORT_HTML
    from reprun.reana.local.report import render_text
    from reprun.reana.local.run import ProjectRequest
    from reprun.reana.local.run import run_project as run
    from reprun.store.store import Store

    project = Project.look_up()
    request = ProjectRequest(
        path=path,
        image_map=image_map,
        parameters=parameters_of(list(parameters)),
        skip_scenarios=skip_scenarios,
        engine=engine,
        cores=cores,
        results=results or (project.results if project else results_below(Path())),
        trust_snakefile=trust_snakefile,
    )
    outcome = run(request, catalogue_here(), Store.default(), progress_on_stderr())
    text = render_text(outcome.report, outcome.directory / REPORT_HTML).splitlines()
    answer("project-report", output_format, outcome.report, text, files={"json": json_file})
    raise typer.Exit(0 if outcome.report.passed else 1)

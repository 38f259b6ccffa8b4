"""The commands that run: one analysis, or all of them in a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from reprun.cli.options import (
    AgainOption,
    Asked,
    CoresOption,
    EngineOption,
    ImageMapOption,
    JsonFileOption,
    JunitFileOption,
    MarkdownFileOption,
    ParameterOption,
    ReportFormatOption,
    ResultsOption,
    Several,
    SkipScenarioOption,
    TrustOption,
    choosing_several,
    parameters_of,
    project_here,
)
from reprun.errors import SpecificationError

if TYPE_CHECKING:
    from reprun.runs.run import RunOutcome

WIDE = 140
"""Columns of a matrix in a pipe: a row ends with a whole sentence."""


@choosing_several
def run(
    asked: Several,
    parameter: ParameterOption = None,
    engine: EngineOption = "auto",
    cores: CoresOption = None,
    update_lock: Annotated[
        bool, typer.Option("--update-lock", help="Accept what differs from analysis.lock.")
    ] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let conditions come from a server: not locked.")
    ] = False,
    trust_snakefile: TrustOption = False,
    again: AgainOption = False,
    relock_images: Annotated[
        bool,
        typer.Option(
            "--relock-images",
            help="Where locked packages of the image are gone, build one like it (a deviation).",
        ),
    ] = False,
    image_map: ImageMapOption = None,
    skip_scenario: SkipScenarioOption = None,
    json_file: JsonFileOption = None,
    junit_file: JunitFileOption = None,
    markdown_file: MarkdownFileOption = None,
    output_format: ReportFormatOption = "text",
) -> None:
    """Run an analysis in its image; compare with its reference.

    Several analyses run one after the other. A REANA project (its reana.yaml, or its directory)
    runs too: its outputs and its own tests give the verdict.
    """
    from reprun.reana.local.specification import project_file

    files = {"json": json_file, "junit": junit_file, "markdown": markdown_file}
    one = asked.one
    if one is not None and (project := project_file(one.analysis)) is not None:
        from reprun.cli.reana_project import refuse_options, run_project

        refuse_options(
            {
                **one.options(),
                "--update-lock": update_lock,
                "--allow-network": allow_network,
                "--relock-images": relock_images,
                "--junit": junit_file,
                "--markdown": markdown_file,
                f"--format {output_format}": output_format in ("junit", "markdown"),
            }
        )
        run_project(
            project,
            image_map=image_map or [],
            parameters=parameter or [],
            skip_scenarios=skip_scenario or [],
            engine=engine,
            cores=cores,
            results=one.results,
            trust_snakefile=trust_snakefile,
            json_file=json_file,
            output_format=output_format,
        )
    for option, given in (("--image-map", image_map), ("--skip-scenario", skip_scenario)):
        if given:
            raise SpecificationError(
                f"{option} is for a REANA project; {' '.join(asked.typed)} is not one",
                hint="reprun run path/to/reana.yaml --image-map NAME=IMAGE",
            )
    options: dict[str, Any] = {
        "parameters": parameters_of(parameter or []),
        "engine": engine,
        "cores": cores,
        "update_lock": update_lock,
        "allow_network": allow_network,
        "trust_snakefile": trust_snakefile,
        "again": again,
        "relock_images": relock_images,
    }
    if one is None:
        _refuse_reports(output_format, files)
        _run_each(asked, options, json_file, output_format)
    from reprun.cli.output import answer
    from reprun.cli.run_output import outcome_text
    from reprun.report import render_junit, render_markdown

    outcome = _outcome(one, options)
    answer(
        "run-report",
        output_format,
        outcome.report,
        outcome_text(outcome),
        documents={
            "junit": lambda: render_junit(outcome.report),
            "markdown": lambda: render_markdown(outcome.report),
        },
        files=files,
    )
    raise typer.Exit(outcome.report.exit_code)


def _outcome(asked: Asked, options: Mapping[str, Any]) -> RunOutcome:
    from reprun.cli.console import progress_on_stderr
    from reprun.runs.request import RunRequest
    from reprun.runs.run import run as run_analysis
    from reprun.store.store import Store

    request = RunRequest(asked.select(), **options)
    return run_analysis(request, Store.default(), progress_on_stderr())


def _refuse_reports(output_format: str, files: Mapping[str, Path | None]) -> None:
    """Refuse reports that hold one analysis each: those of several are a matrix."""
    for name in ("junit", "markdown"):
        if output_format == name or files[name] is not None:
            raise SpecificationError(
                f"--{name} is a report on one analysis, and several were named",
                hint=f"reprun matrix --{name} FILE",
            )


def _run_each(
    asked: Several, options: Mapping[str, Any], json_file: Path | None, output_format: str
) -> NoReturn:
    """Run analyses one after the other, and print a line for each."""
    from reprun.cli.output import shown_path
    from reprun.cli.several import Done, answer_each, for_each
    from reprun.documents.record import REPORT_HTML

    def act(one: Asked) -> Done:
        outcome = _outcome(one, options)
        report, path = outcome.report, outcome.directory / REPORT_HTML
        changes = [str(change) for change in outcome.lock_changes]
        result = {"status": report.status, "report": str(path), "lock_changes": changes}
        lines = [f"lock updated: {change}" for change in changes]
        lines.append(f"report: {shown_path(path)}")
        return Done(report.sentence, result, lines, report.exit_code)

    answer_each("run-list", output_format, for_each(asked.each, act), json_file=json_file)


def matrix(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CELL]…", help="Globs of ANALYSIS or ANALYSIS/VARIANT. Default: all."
        ),
    ] = None,
    engine: EngineOption = "auto",
    cores: CoresOption = None,
    results: ResultsOption = None,
    trust_snakefile: TrustOption = False,
    again: AgainOption = False,
    relock_images: Annotated[
        bool,
        typer.Option("--relock-images", help="As for reprun run, for every image."),
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Fail where such a cell cannot run, optional or not."),
    ] = None,
    allow_not_run: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Do not fail where such a cell cannot run."),
    ] = None,
    json_file: JsonFileOption = None,
    junit_file: JunitFileOption = None,
    markdown_file: MarkdownFileOption = None,
    output_format: ReportFormatOption = "text",
) -> None:
    """Run every analysis in every variant and evaluate them all."""
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.cli.run_output import matrix_text
    from reprun.report.matrix import matrix_junit, matrix_markdown
    from reprun.runs.matrix import HOME, MatrixRequest, exit_code, page_of, run_matrix
    from reprun.store.store import Store

    request = MatrixRequest(
        cells=tuple(cells or ()),
        engine=engine,
        cores=cores,
        results=results,
        trust_snakefile=trust_snakefile,
        again=again,
        relock_images=relock_images,
        required=tuple(require or ()),
        allowed_not_to_run=tuple(allow_not_run or ()),
    )
    project = project_here(results)
    found = run_matrix(request, project, Store.default(), progress_on_stderr())
    answer(
        "matrix",
        output_format,
        found,
        matrix_text(found, (results or project.results).resolve() / HOME / page_of(request)),
        documents={
            "junit": lambda: matrix_junit(found),
            "markdown": lambda: matrix_markdown(found),
        },
        files={"json": json_file, "junit": junit_file, "markdown": markdown_file},
        piped_width=WIDE,
    )
    raise typer.Exit(exit_code(found))


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(run)
    app.command()(matrix)

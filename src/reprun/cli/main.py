"""The command line: parse, one call, render, exit code. Nothing else prints or exits.

Results go to standard output, progress and errors to standard error. Heavy imports stand
inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from reprun import __version__
from reprun.cli.options import (
    AnalysisArgument,
    DataOption,
    Engine,
    FormatOption,
    FractionOption,
    ImageMapOption,
    MaxEventsOption,
    ParameterOption,
    ResultsOption,
    SkipScenarioOption,
    VariantOption,
    parameters_of,
)
from reprun.errors import InterruptedRunError, ReprunError, SpecificationError

EXIT_CODES = """
Exit codes: 0 reproduced · 1 not reproduced · 2 bad specification or usage · 3 engine or
backend · 4 a step failed or an output is missing · 5 nothing to compare · 6 data or lock
violated · 130 interrupted.
"""

READER_GONE = 128 + signal.SIGPIPE
"""Exit code where the reader of our output went away (`reprun list | head`), as of any program
that SIGPIPE ends: neither "reproduced" nor "not reproduced" may be read from it."""


class _ReaderGoneError(Exception):
    """Standard output is closed. Not an OSError: typer would end with exit code 1."""


class _Commands(TyperGroup):
    """Our commands, with their output flushed while an error can still be told."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


app = typer.Typer(
    name="reprun",
    cls=_Commands,
    help="Run an LHC open-data analysis in its container image and compare it with its reference.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"reprun {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Run an LHC open-data analysis in its container image and compare it with its reference."""
    assert not version


@app.command()
def run(
    analysis: AnalysisArgument,
    variant: VariantOption = None,
    dataset: DataOption = None,
    max_events: MaxEventsOption = None,
    fraction: FractionOption = None,
    parameter: ParameterOption = None,
    engine: Annotated[
        Engine, typer.Option(help="auto takes the first whose self-check passes.")
    ] = "auto",
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores to use. Default: all there are.")
    ] = None,
    results: ResultsOption = Path("results"),
    update_lock: Annotated[
        bool, typer.Option("--update-lock", help="Accept what differs from analysis.lock.")
    ] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let conditions come from a server: not locked.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Run every step, changed or not.")] = False,
    relock_images: Annotated[
        bool,
        typer.Option(
            "--relock-images",
            help="Where the image's locked packages are gone, build one like it and say so.",
        ),
    ] = False,
    image_map: ImageMapOption = None,
    skip_scenario: SkipScenarioOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Run an analysis in its image and tell whether it still gives its reference.

    A REANA project (its reana.yaml, or its directory) runs too: its outputs and its own tests
    give the verdict.
    """
    from reprun.reana.local.specification import project_file  # noqa: PLC0415

    if (project := project_file(analysis)) is not None:
        from reprun.cli.reana_project import refuse_options, run_project  # noqa: PLC0415

        refuse_options(
            {
                "--variant": variant,
                "--data": dataset,
                "--max-events": max_events,
                "--fraction": fraction,
                "--update-lock": update_lock,
                "--allow-network": allow_network,
                "--relock-images": relock_images,
            }
        )
        run_project(
            project,
            image_map=image_map or [],
            parameters=parameter or [],
            skip_scenarios=skip_scenario or [],
            engine=engine,
            cores=cores,
            results=results,
            output_format=output_format,
        )
    for option, given in (("--image-map", image_map), ("--skip-scenario", skip_scenario)):
        if given:
            raise SpecificationError(
                f"{option} is for REANA projects, and {analysis} is none",
                hint="reprun run path/to/reana.yaml --image-map NAME=IMAGE",
            )
    from reprun.cli.console import progress_on_stderr  # noqa: PLC0415
    from reprun.documents.analysis import tier_of  # noqa: PLC0415
    from reprun.runs.cell import RunRequest  # noqa: PLC0415
    from reprun.runs.run import run as run_analysis  # noqa: PLC0415
    from reprun.store.store import Store  # noqa: PLC0415

    request = RunRequest(
        analysis=analysis,
        variant=variant,
        dataset=dataset,
        tier=tier_of(max_events, fraction),
        parameters=parameters_of(parameter or []),
        engine=engine,
        cores=cores,
        results=results,
        update_lock=update_lock,
        allow_network=allow_network,
        again=again,
        relock_images=relock_images,
    )
    outcome = run_analysis(request, Store.default(), progress_on_stderr())
    if output_format == "json":
        from reprun.report.model import report_json  # noqa: PLC0415

        print(report_json(outcome.report), end="")
    else:
        from reprun.cli.screens import print_summary  # noqa: PLC0415

        print_summary(outcome)
    raise typer.Exit(0 if outcome.report.reproduced else 1)


@app.command()
def matrix(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CELL]…", help="Globs of ANALYSIS or ANALYSIS/VARIANT. Default: all."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="auto takes the first whose self-check passes.")
    ] = "auto",
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores to use. Default: all there are.")
    ] = None,
    results: ResultsOption = Path("results"),
    again: Annotated[bool, typer.Option("--again", help="Run every step, changed or not.")] = False,
    relock_images: Annotated[
        bool,
        typer.Option("--relock-images", help="As for reprun run, for every image."),
    ] = False,
    output_format: Annotated[
        Literal["text", "json", "junit", "markdown"],
        typer.Option("--format", help="How the result is printed."),
    ] = "text",
) -> None:
    """Run every analysis in every variant, one cell each, and judge them all."""
    from reprun.cli.console import progress_on_stderr  # noqa: PLC0415
    from reprun.report import matrix as renderers  # noqa: PLC0415
    from reprun.runs.matrix import MatrixRequest, exit_code, run_matrix  # noqa: PLC0415
    from reprun.store.store import Store  # noqa: PLC0415

    request = MatrixRequest(
        cells=tuple(cells or ()),
        engine=engine,
        cores=cores,
        results=results,
        again=again,
        relock_images=relock_images,
    )
    found = run_matrix(request, Store.default(), progress_on_stderr())
    if output_format == "text":
        from reprun.cli.screens import print_matrix  # noqa: PLC0415

        print_matrix(found, results)
    else:
        render = {
            "json": renderers.matrix_json,
            "junit": renderers.matrix_junit,
            "markdown": renderers.matrix_markdown,
        }[output_format]
        print(render(found), end="")
    raise typer.Exit(exit_code(found))


@app.command()
def compare(
    monitored: Annotated[
        Path, typer.Argument(help="A file: ROOT, YODA, HEPData YAML, UHI JSON or CSV table.")
    ],
    reference: Annotated[Path, typer.Argument(help="The file it is held against.")],
    kind: Annotated[
        Literal["count", "float", "sampled"] | None,
        typer.Option(help="For every object: exact, within a tolerance, or independent samples."),
    ] = None,
    relative: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Relative tolerance for every object.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Chance of a false alarm in the whole file. Default: 0.01.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,…", help="A rule, e.g. match=m4l*,kind=sampled,tests=shape+ks."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="YAML file with rules: the compare list of analysis.yaml.")
    ] = None,
    match: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Compare only objects of this name.")
    ] = None,
    name_map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="The reference's OLD is called NEW here."),
    ] = None,
    same_events: Annotated[
        bool,
        typer.Option("--same-events", help="Both hold the same events: statistics excuse nothing."),
    ] = False,
    calibrate: Annotated[
        int | None,
        typer.Option(min=20, metavar="N", help="Do not compare: throw N toys through the checks."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML report here.")] = None,
    output_format: Annotated[
        Literal["text", "json", "junit", "markdown"],
        typer.Option("--format", help="How the result is printed."),
    ] = "text",
) -> None:
    """Compare two files of histograms or tables, with no analysis around them."""
    from reprun.compare.rules import one_rule, parse_maps, parse_rule, read_rules  # noqa: PLC0415
    from reprun.runs.compare_files import Files, calibrate_files, compare_files  # noqa: PLC0415

    rules = [parse_rule(text) for text in rule or []]
    rules += read_rules(policy) if policy else []
    rules += one_rule(kind, relative=relative, alpha=alpha)
    files = Files(monitored, reference, rules, match or [], parse_maps(name_map or []), same_events)
    if calibrate is not None:
        print(calibrate_files(files, calibrate, output_format), end="")
        return
    report = compare_files(files, html=html, draw=output_format == "json")
    if output_format == "text":
        from reprun.cli.screens import print_report  # noqa: PLC0415

        print_report(report)
    else:
        from reprun import report as renderers  # noqa: PLC0415

        render = {
            "json": renderers.report_json,
            "junit": renderers.render_junit,
            "markdown": renderers.render_markdown,
        }[output_format]
        print(render(report), end="")
    raise typer.Exit(0 if report.reproduced else 1)


@app.command()
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
    from reprun.documents.analysis import tier_of  # noqa: PLC0415
    from reprun.runs.blessing import bless_last_run  # noqa: PLC0415

    tier = tier_of(max_events, fraction)
    for name in bless_last_run(
        analysis, variant, dataset, tier, results, reason=reason, author=author
    ):
        print(name)
    which = f" --variant {variant}" if variant else ""
    which += f" --data {dataset}" if dataset else ""
    which += f" {tier.option}" if tier else ""
    print(f"blessed and locked; now: reprun run {analysis}{which}")


@app.command()
def lock(analysis: AnalysisArgument) -> None:
    """Write analysis.lock with every digest as it stands now; say what changed."""
    from reprun.documents.analysis import check_name, load_analysis  # noqa: PLC0415
    from reprun.images.catalogue.catalogue import Catalogue  # noqa: PLC0415
    from reprun.project import Project  # noqa: PLC0415
    from reprun.runs.lock import enforce_lock, write_lock  # noqa: PLC0415
    from reprun.store.store import Store  # noqa: PLC0415

    project = Project.find()
    directory = project.analysis_directory(analysis)
    loaded = load_analysis(directory)
    check_name(loaded, directory)
    if loaded.datasets:
        from reprun.data import check_committed  # noqa: PLC0415 - only where there is data

        for dataset in loaded.datasets.values():
            check_committed(dataset, directory)
    catalogue, store = Catalogue(project.images), Store.default()
    locked, changes = enforce_lock(loaded, directory, catalogue, update=True, store=store)
    write_lock(locked, directory)
    for change in changes:
        print(change)
    print(f"locked: {directory / 'analysis.lock'}")


@app.command("list")
def list_analyses(
    results: ResultsOption = Path("results"), output_format: FormatOption = "text"
) -> None:
    """List the analyses with their last verdict here."""
    from reprun.cli.screens import print_list  # noqa: PLC0415
    from reprun.runs.history import listed  # noqa: PLC0415

    rows = listed(results)
    if output_format == "json":
        print(json.dumps(rows, indent=1))
    else:
        print_list(rows)


@app.command()
def show(
    analysis: AnalysisArgument,
    results: ResultsOption = Path("results"),
    output_format: FormatOption = "text",
) -> None:
    """Show an analysis: variants, datasets, outputs, how each object is compared."""
    from reprun.cli.screens import print_analysis  # noqa: PLC0415
    from reprun.documents.analysis import load_analysis  # noqa: PLC0415
    from reprun.project import Project  # noqa: PLC0415
    from reprun.runs.history import analysis_document  # noqa: PLC0415

    directory = Project.find().analysis_directory(analysis)
    loaded = load_analysis(directory)
    if output_format == "json":
        document = analysis_document(loaded, directory, results)
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print_analysis(loaded)


@app.command()
def doctor(
    image: Annotated[
        str | None, typer.Option(help="Also check what this image needs of the host.")
    ] = None,
) -> None:
    """Check what this host offers: engines, store, disk, and what an image needs."""
    from reprun.cli.screens import print_doctor  # noqa: PLC0415

    raise typer.Exit(print_doctor(image))


@contextmanager
def _signals_interrupt_a_run() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a run the same way, with the documented exit code.

    Python's own KeyboardInterrupt would be caught by typer and end with exit code 1.
    """

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise InterruptedRunError("interrupted")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_output_safe() -> None:
    """Let no missing or narrow standard output end a run in a traceback."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main() -> None:
    """Run the command line; every way out has a documented exit code."""
    from reprun.cli.author import add_commands  # noqa: PLC0415
    from reprun.cli.conditions import app as conditions  # noqa: PLC0415
    from reprun.cli.console import show_error  # noqa: PLC0415
    from reprun.cli.data import app as data  # noqa: PLC0415
    from reprun.cli.images import app as images  # noqa: PLC0415
    from reprun.cli.reana import add_commands as add_reana  # noqa: PLC0415

    _make_output_safe()
    add_commands(app)
    add_reana(app)
    app.add_typer(
        conditions, name="conditions", help="Conditions: list, show, get, diff, verify, mask."
    )
    app.add_typer(data, name="data", help="Datasets: list, fetch, verify, import, collect.")
    app.add_typer(images, name="images", help="Container images: list, fetch, build, verify.")
    try:
        with _signals_interrupt_a_run():
            app()
    except ReprunError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except _ReaderGoneError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)

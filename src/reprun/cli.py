"""The command line: parse, one call, render, exit code. Nothing else prints or exits.

Results go to standard output, progress and errors to standard error. Heavy imports stand
inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import math
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

Format = Literal["text", "json"]
Engine = Literal["auto", "runc", "docker"]

AnalysisArgument = Annotated[
    str, typer.Argument(metavar="ANALYSIS", help="Name of an analysis, or its directory.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
ResultsOption = Annotated[
    Path, typer.Option("--results", help="Directory for workspaces, records and reports.")
]
VariantOption = Annotated[str | None, typer.Option(help="Variant (another image) of the analysis.")]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Dataset of the analysis, e.g. original.")
]


@app.command()
def run(
    analysis: AnalysisArgument,
    variant: VariantOption = None,
    dataset: DataOption = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Override a parameter."),
    ] = None,
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
    output_format: FormatOption = "text",
) -> None:
    """Run an analysis in its image and tell whether it still gives its reference."""
    from reprun.console import progress_on_stderr  # noqa: PLC0415
    from reprun.run import RunRequest  # noqa: PLC0415
    from reprun.run import run as run_analysis  # noqa: PLC0415
    from reprun.store import Store  # noqa: PLC0415

    request = RunRequest(
        analysis=analysis,
        variant=variant,
        dataset=dataset,
        parameters=_parameters(parameter or []),
        engine=engine,
        cores=cores,
        results=results,
        update_lock=update_lock,
        allow_network=allow_network,
        again=again,
    )
    outcome = run_analysis(request, Store.default(), progress_on_stderr())
    if output_format == "json":
        from reprun.report.model import report_json  # noqa: PLC0415

        print(report_json(outcome.report), end="")
    else:
        from reprun.screens import print_summary  # noqa: PLC0415

        print_summary(outcome)
    raise typer.Exit(0 if outcome.report.reproduced else 1)


@app.command()
def compare(
    monitored: Annotated[Path, typer.Argument(help="A file: ROOT, UHI JSON or CSV table.")],
    reference: Annotated[Path, typer.Argument(help="The file it is held against.")],
    relative: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Relative tolerance for every object.")
    ] = 0.0,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML report here.")] = None,
    output_format: FormatOption = "text",
) -> None:
    """Compare two files of histograms or tables, with no analysis around them."""
    from reprun.judge import compare_files  # noqa: PLC0415
    from reprun.screens import print_report  # noqa: PLC0415

    report = compare_files(monitored, reference, relative=relative, html=html)
    if output_format == "json":
        from reprun.report.model import report_json  # noqa: PLC0415

        print(report_json(report), end="")
    else:
        print_report(report)
    raise typer.Exit(0 if report.reproduced else 1)


@app.command()
def bless(
    analysis: AnalysisArgument,
    reason: Annotated[str, typer.Option(help="Why these numbers are right.")],
    author: Annotated[str, typer.Option(help="Who says so. Default: git's user.name.")] = "",
    variant: VariantOption = None,
    dataset: DataOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Make the last run's histograms and tables the reference, and lock it."""
    from reprun.blessing import bless_last_run  # noqa: PLC0415

    for name in bless_last_run(analysis, variant, dataset, results, reason=reason, author=author):
        print(name)


@app.command()
def lock(analysis: AnalysisArgument) -> None:
    """Write analysis.lock with every digest as it stands now; say what changed."""
    from reprun.images.catalogue import Catalogue  # noqa: PLC0415
    from reprun.lock import enforce_lock  # noqa: PLC0415
    from reprun.project import Project  # noqa: PLC0415
    from reprun.spec import load_analysis  # noqa: PLC0415

    project = Project.find()
    directory = project.analysis_directory(analysis)
    _, changes = enforce_lock(
        load_analysis(directory), directory, Catalogue(project.images), update=True
    )
    for change in changes:
        print(change)
    print(f"locked: {directory / 'analysis.lock'}")


@app.command("list")
def list_analyses(
    results: ResultsOption = Path("results"), output_format: FormatOption = "text"
) -> None:
    """List the analyses with their last verdict here."""
    from reprun.screens import listed, print_list  # noqa: PLC0415

    rows = listed(results)
    if output_format == "json":
        print(json.dumps(rows, indent=1))
    else:
        print_list(rows)


@app.command()
def show(analysis: AnalysisArgument) -> None:
    """Show an analysis: variants, datasets, outputs, how each object is compared."""
    from reprun.project import Project  # noqa: PLC0415
    from reprun.screens import print_analysis  # noqa: PLC0415
    from reprun.spec import load_analysis  # noqa: PLC0415

    print_analysis(load_analysis(Project.find().analysis_directory(analysis)))


@app.command()
def doctor() -> None:
    """Check what this host offers: engines, store, disk."""
    from reprun.screens import print_doctor  # noqa: PLC0415

    raise typer.Exit(print_doctor())


def _parameters(given: list[str]) -> dict[str, str | int | float | bool]:
    parameters: dict[str, str | int | float | bool] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SpecificationError(
                f"--parameter {text}: write NAME=VALUE", hint="reprun run --help"
            )
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        # What is no scalar, or no number that JSON knows (NaN), is the text that was typed.
        scalar = isinstance(parsed, str | int | bool) or (
            isinstance(parsed, float) and math.isfinite(parsed)
        )
        parameters[name] = parsed if scalar else value
    return parameters


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


def main() -> None:
    """Run the command line; every way out has a documented exit code."""
    from reprun.cli_conditions import app as conditions  # noqa: PLC0415
    from reprun.cli_data import app as data  # noqa: PLC0415
    from reprun.cli_images import app as images  # noqa: PLC0415
    from reprun.console import show_error  # noqa: PLC0415

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

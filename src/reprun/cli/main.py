"""The command line: parse, one call, render, exit code. Nothing else prints or exits.

Results go to standard output, progress and errors to standard error. Heavy imports stand
inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from reprun.errors import ExitCode, InterruptedRunError, ReprunError

EXIT_CODES = f"Exit codes: {' · '.join(f'{code} {code.meaning}' for code in ExitCode)}."


class _ReaderGoneError(Exception):
    """Standard output is closed. Not an OSError: typer would end with exit code 1."""


class _Commands(TyperGroup):
    """Our commands, with their output flushed while an error can still be reported."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            except (ReprunError, typer.TyperException) as error:
                if wants_json(sys.argv[1:]):
                    _answer_in_json(error)
                raise
            finally:
                sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, even one that could not be parsed."""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def _answer_in_json(error: ReprunError | typer.TyperException) -> None:
    from reprun.cli.output import answer_error

    if isinstance(error, ReprunError):
        answer_error(error.message, error.exit_code, place=error.place, hint=error.hint)
    else:
        answer_error(error.format_message(), error.exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        from reprun.cli.output import print_version

        print_version()
        raise typer.Exit


def options(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show outside commands, and where options came from."),
    ] = False,
) -> None:
    """Run an LHC open-data analysis in its container image and compare it with its reference."""
    assert not version
    if verbose:
        from reprun.cli.console import commands_on_stderr

        ctx.with_resource(commands_on_stderr())


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


@cache
def program() -> typer.Typer:
    """Return the program with all its commands."""
    from reprun.cli import analyses, author, compare, doctor, init, reana, run
    from reprun.cli.conditions import app as conditions
    from reprun.cli.data import app as data
    from reprun.cli.images import app as images
    from reprun.cli.verbose import every_command_shows_its_options

    app = typer.Typer(
        name="reprun",
        cls=_Commands,
        help=options.__doc__,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(options)
    for module in (run, compare, analyses, init, author, reana, doctor):
        module.add_commands(app)
    app.add_typer(conditions, name="conditions")
    app.add_typer(data, name="data")
    app.add_typer(images, name="images")
    every_command_shows_its_options(app)
    return app


def main() -> None:
    """Run the command line; every way out has a documented exit code."""
    from reprun.cli.console import show_error

    _make_output_safe()
    try:
        with _signals_interrupt_a_run():
            Context().run(program())
    except ReprunError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except _ReaderGoneError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # As any program that SIGPIPE ends: no verdict may be read from it.
        sys.exit(ExitCode.PIPE_CLOSED)

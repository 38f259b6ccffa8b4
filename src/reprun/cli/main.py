"""The command line: parse, one call, render, exit code. Nothing else prints or exits.

Results go to standard output, progress and errors to standard error. Heavy imports stand
inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from reprun.errors import ExitCode, InterruptedRunError, ReprunError, StorageError, unforeseen
from reprun.wording import in_ascii

EXIT_CODES = f"Exit codes: {' · '.join(f'{code} {code.meaning}' for code in ExitCode)}."


DISK_REFUSES = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ESTALE, errno.EBADF, errno.ENODEV),
    }
)
MOST_WIDTH = 200
"""Columns of the help, and of every answer: longer lines read badly."""
SIGNALS_IN_A_ROW = 3.0
"""Seconds in which a second signal is the same request: a shell and `timeout` send two."""
DROPPED_SECONDS = 0.01
"""How long a callback has to end that dropped an interruption."""


class _ReaderGoneError(Exception):
    """Standard output is closed. Not an OSError: typer would end with exit code 1."""


class _Commands(TyperGroup):
    """Our commands, with their output flushed while an error can still be reported."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.Abort, BrokenPipeError):
                raise
            except typer.TyperException as error:
                if wants_json(sys.argv[1:]):
                    _answer_in_json(error)
                raise
            except Exception as error:
                told = _foreseen(error)
                if wants_json(sys.argv[1:]):
                    _answer_in_json(told)
                if told is error:
                    raise
                raise told from error
            finally:
                sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


def _foreseen(error: BaseException) -> ReprunError:
    """Return the error that an exception is reported as; the traceback of a stranger is kept."""
    if isinstance(error, ReprunError):
        return error
    if isinstance(error, OSError) and error.errno in DISK_REFUSES:
        if error.filename is None:
            from reprun.cli.output import not_written

            return not_written(error)
        place = str(error.filename)
        return StorageError(
            f"cannot use {place}: {error.strerror}",
            place=place,
            hint=f"ls -ld {shlex.quote(place)}",
        )
    return unforeseen(error, hint=_kept(error))


def _kept(error: BaseException) -> str:
    """Write the traceback of an error where it can be reported from; return what to type."""
    lines = "".join(traceback.format_exception(error))
    if {"--verbose", "-v"} & set(sys.argv[1:2]):
        from reprun.cli.console import print_note

        print_note(lines.rstrip())
    try:
        descriptor, name = tempfile.mkstemp(prefix="reprun-", suffix=".traceback")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{shlex.join(['reprun', *sys.argv[1:]])}\n{lines}")
    except OSError:
        return "reprun --verbose …   # prints the traceback to report"
    return f"less {shlex.quote(name)}   # the traceback: report it with what was typed"


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
        typer.Option(
            "--verbose",
            "-v",
            help="Show outside commands, where options came from, and what no verdict covers.",
        ),
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

    last = -SIGNALS_IN_A_ROW

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        # A second one in the midst of cleaning up would leave what the first one began to remove.
        if last - before >= SIGNALS_IN_A_ROW:
            raise InterruptedRunError("interrupted")

    def dropped(found: sys.UnraisableHookArgs) -> None:
        nonlocal last
        if not isinstance(found.exc_value, InterruptedRunError):
            reported(found)
            return
        # Raised in a callback of Python's own, which drops it: once more when that is over.
        last = -SIGNALS_IN_A_ROW
        threading.Timer(DROPPED_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()

    reported, sys.unraisablehook = sys.unraisablehook, dropped
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        sys.unraisablehook = reported
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_output_safe() -> None:
    """Let no missing or narrow standard output end a run in a traceback.

    Raises StorageError where standard output is closed: a result would be lost, and a file that
    is opened later would take its place.
    """
    codecs.register_error("reprun", _in_ascii)
    for number, name in ((0, "stdin"), (2, "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="reprun")
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the end
        raise StorageError(
            "standard output is closed",
            hint="reprun … > FILE   # or > /dev/null to drop the result",
        )


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end


@cache
def program() -> typer.Typer:
    """Return the program with all its commands."""
    from reprun.cli import (
        analyses,
        author,
        badge,
        blame,
        clean,
        compare,
        doctor,
        explain,
        flaky,
        history,
        init,
        reana,
        run,
        steps,
    )
    from reprun.cli.ci import app as ci
    from reprun.cli.conditions import app as conditions
    from reprun.cli.data import app as data
    from reprun.cli.images import app as images
    from reprun.cli.reference import app as reference
    from reprun.cli.verbose import every_command_shows_its_options

    app = typer.Typer(
        name="reprun",
        cls=_Commands,
        help=options.__doc__,
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": MOST_WIDTH},
    )
    app.callback()(options)
    commands = (
        *(run, steps, compare, history, badge, blame, flaky, explain),
        *(analyses, init, author, reana, clean, doctor),
    )
    for module in commands:
        module.add_commands(app)
    app.add_typer(ci, name="ci")
    app.add_typer(conditions, name="conditions")
    app.add_typer(data, name="data")
    app.add_typer(images, name="images")
    app.add_typer(history.app, name="history")
    app.add_typer(reference, name="reference")
    every_command_shows_its_options(app)
    _no_summary_is_cut(app)
    return app


def _no_summary_is_cut(app: typer.Typer) -> None:
    """Let every list of commands show the first line of each whole, wrapped where it must be."""
    for command in app.registered_commands:
        assert command.callback is not None
        command.short_help = (command.callback.__doc__ or "").split("\n", 1)[0]
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.short_help = group.typer_instance.info.help
            _no_summary_is_cut(group.typer_instance)


def main() -> None:
    """Run the command line; every way out has a documented exit code."""
    from reprun.cli.console import notes_lost

    code = _ended()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _told(_foreseen(error))
        _forget(sys.stdout)
    if notes_lost():
        # What would have been said is not known: neither 0 nor 1 may be read from it.
        code = ExitCode.HOST
        _forget(sys.stderr)
    sys.exit(code)


def _ended() -> int:
    """Run the command line and print its error; return its exit code."""
    try:
        with _signals_interrupt_a_run():
            _make_output_safe()
            Context().run(program())
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.REPRODUCED
    except (_ReaderGoneError, BrokenPipeError):
        _forget(sys.stdout)
        # As any program that SIGPIPE ends: no verdict may be read from it.
        return ExitCode.PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - none may end with 1, which is a verdict
        return _told(_foreseen(error))
    return ExitCode.REPRODUCED


def _told(error: ReprunError) -> int:
    from reprun.cli.console import show_error

    try:
        show_error(error)
    except BrokenPipeError:
        _forget(sys.stderr)
        return ExitCode.PIPE_CLOSED
    return error.exit_code


def _forget(stream: TextIO) -> None:
    """Let what is left in the buffer of a stream go nowhere: it cannot be written."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)

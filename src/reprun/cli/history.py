"""The commands about the history of runs: what moved, and since when."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from reprun.cli.completion import analysis_names, run_names
from reprun.cli.options import DryRunOption, FormatOption, ResultsOption, project_here

if TYPE_CHECKING:
    from reprun.history.rows import Begun
    from reprun.history.summary import CellHistory, Closer

SHOWN = 30
"""Runs of a cell that are listed unless a date is given: what fits a morning."""

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run, as reprun history ANALYSIS calls it.",
        autocompletion=run_names,
    ),
]


class _OrShow(TyperGroup):
    """A group in which what is no command of it is an argument of `show`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` before anything but a command or --help."""
        first = args[0] if args else ""
        if first not in self.commands and first != "--help":
            args = ["show", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    name="history",
    help="Every run so far: what moved, and since when.",
    cls=_OrShow,
    rich_markup_mode=None,
)


@app.command("show")
def show(
    analysis: Annotated[
        str | None,
        typer.Argument(
            metavar="[ANALYSIS]",
            help="Every run of its cells. Default: a line for each cell.",
            autocompletion=analysis_names,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only runs since that day: 2026-03-02.")
    ] = None,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Show runs, since when a cell is red, and what changed then.

    `reprun history` alone, and with the name of an analysis, means this.
    """
    from reprun.cli.history_output import analysis_text, cell_facts, overview_text
    from reprun.cli.output import answer
    from reprun.errors import SpecificationError, did_you_mean
    from reprun.history import rows, summary
    from reprun.history.database import looked_into

    path = _history(results)
    begin = None if since is None else _day(since)
    most = None if begin else SHOWN
    found: list[CellHistory] = []
    closer: list[Closer] = []
    begun: list[Begun] = []
    with looked_into(path) as database:
        if database is not None:
            found = summary.histories(database, analysis)
            begun = rows.begun(database)
            if analysis is not None and not found:
                known = sorted({cell.analysis for cell in rows.cells(database)})
                raise SpecificationError(
                    f"the history has no run of '{analysis}'{did_you_mean(analysis, known)}",
                    place=str(path),
                    hint="reprun history",
                )
            if analysis is not None or output_format == "json":
                closer = [summary.closer(database, each, begin, most) for each in found]
    facts = {
        "file": str(path),
        "cells": [
            cell_facts(each, look, summary.shown_of(each, begin, most))
            for each, look in zip(found, closer, strict=bool(closer))
        ],
    }
    text = (
        overview_text(found, begun, path, begin)
        if analysis is None
        else analysis_text(found, closer, begin, most)
    )
    answer("history", output_format, facts, text)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="history.sqlite of other results.")],
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Take over another machine's runs; none is doubled.

    The file is read in a sandbox, and its runs are marked with its name.
    """
    from reprun.cli.console import print_note
    from reprun.cli.output import answer
    from reprun.history.importing import import_history
    from reprun.store.store import Store
    from reprun.wording import count_of

    path = _history(results)
    done = import_history(file, path, Store.default())
    if done.note:
        print_note(f"note: {done.note}")
    facts = {"file": str(path), "source": str(file), "new": done.new, "known": done.known}
    known = f", {count_of(done.known, 'run')} known already" if done.known else ""
    answer("history-import", output_format, facts, [f"{count_of(done.new, 'new run')}{known}"])


@app.command("prune")
def prune(
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", min=0, metavar="N", help="Runs of the last N days.")
    ] = None,
    keep_nights: Annotated[
        int | None,
        typer.Option(
            "--keep-nights", min=1, metavar="N", help="The last N days with a run, of each cell."
        ),
    ] = None,
    dry_run: DryRunOption = False,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Remove old runs; what tells since when a cell is red stays.

    One of --keep-days and --keep-nights is needed, and what either keeps stays. The last good and
    the first bad run of each change always do.
    """
    from reprun.cli.output import answer
    from reprun.errors import SpecificationError
    from reprun.history.database import opened
    from reprun.history.retention import Rule
    from reprun.history.retention import prune as prune_rows
    from reprun.wording import count_of

    if keep_days is None and keep_nights is None:
        raise SpecificationError(
            "say what is kept: --keep-days N or --keep-nights N",
            hint="reprun history prune --keep-nights 400 --dry-run",
        )
    after = None if keep_days is None else dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days)
    path = _history(results)
    gone = []
    if path.is_file():
        with opened(path) as database:
            gone = prune_rows(database, Rule(after, keep_nights), dry_run=dry_run)
    verb = "would be removed" if dry_run else "removed"
    facts = {"file": str(path), "dry_run": dry_run, "removed": [night.name for night in gone]}
    answer("history-prune", output_format, facts, [f"{count_of(len(gone), 'run')} {verb}"])


def diff(
    one: RunArgument,
    other: RunArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is the same in both.")
    ] = False,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Compare what two runs were made from, and what they made.

    Every factor of both stands side by side: packages of images, rows of tables, lines of code.
    """
    from reprun.cli.history_output import diff_facts, diff_text
    from reprun.cli.output import answer
    from reprun.errors import SpecificationError
    from reprun.history.comparison import compared
    from reprun.history.database import looked_into

    path = _history(results)
    with looked_into(path) as database:
        if database is None:
            raise SpecificationError(
                f"there is no history yet: {path}", hint="reprun matrix   # each run leaves a row"
            )
        found = compared(database, one, other)
    answer("run-differences", output_format, diff_facts(found), diff_text(found, everything))


def _history(results: Path | None) -> Path:
    from reprun.history.database import FILE

    return (results or project_here(results).results).resolve() / FILE


def _day(text: str) -> dt.datetime:
    from reprun.errors import SpecificationError

    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
    except ValueError as error:
        raise SpecificationError(
            f"--since {text}: write a day as 2026-03-02",
            hint="reprun history show --since 2026-03-02",
        ) from error


def add_commands(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.command("diff")(diff)

"""`reprun clean`: what takes space, how much, and what removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import analysis_names
from reprun.cli.options import (
    DryRunOption,
    FormatOption,
    ResultsOption,
    YesOption,
    project_here,
)
from reprun.wording import count_of, quoted, size_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.runs.clean import Holding


def clean(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANALYSIS]…",
            help="Analyses whose runs are removed: names or globs.",
            autocompletion=analysis_names,
        ),
    ] = None,
    workspaces: Annotated[
        bool,
        typer.Option("--workspaces", help="Remove workspaces only; outputs and reports stay."),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Show what store and results hold, or remove runs.

    Without ANALYSIS and --workspaces nothing is removed: sizes are shown, and the command that
    removes what can go. A run whose workspace is gone is made again by the next `reprun run`.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.runs import clean as cleaning
    from reprun.store.store import Store

    project, store = project_here(results), Store.default()
    home = results or project.results
    option = f" --results {quoted(results)}" if results else ""
    removed: Mapping[Path, int] = {}
    if names or workspaces:
        runs = cleaning.runs_in(home, names or [])
        removed = cleaning.removable(runs, workspaces=workspaces)
        size = size_of(sum(removed.values()))
        what = f"{count_of(len(removed), 'workspace' if workspaces else 'run')}, {size}"
        if removed and not dry_run:
            typed = [*map(quoted, names or []), *(["--workspaces"] if workspaces else [])]
            line = f"reprun clean {' '.join(typed)}{option} --yes"
            if not yes and not _agreed(what, line, asks=output_format == "text"):
                raise typer.Exit
            cleaning.remove(list(removed), store, progress_on_stderr(), workspaces=workspaces)
        verb = "would be removed" if dry_run else "removed"
        text: Sequence[RenderableType] = [*map(str, removed), f"{what} {verb}"]
        holdings: list[Holding] = []
    else:
        holdings = cleaning.store_holdings(store) + cleaning.results_holdings(home, option)
        text = list(_overview(store.root, home, holdings))
    facts = {
        "dry_run": dry_run,
        "holdings": [_facts(holding) for holding in holdings],
        "removed": [str(path) for path in removed],
        "size": sum(removed.values()),
    }
    answer("storage", output_format, facts, text)


def _agreed(what: str, line: str, *, asks: bool) -> bool:
    """Return whether somebody agrees; raise SpecificationError where nobody can be asked."""
    from reprun.cli.console import confirmed, is_asked
    from reprun.errors import SpecificationError

    if not (asks and is_asked()):
        raise SpecificationError(
            f"{what} would be removed, and nobody is here to confirm it", hint=line
        )
    return confirmed(f"remove {what}?")


def _overview(store: Path, results: Path, holdings: Sequence[Holding]) -> Iterator[RenderableType]:
    from reprun.report.grid import Column, Grid

    yield f"store: {store}"
    yield f"results: {results}"
    columns = (
        Column("what", prose=True),
        Column("number", right=True),
        Column("size", right=True),
        Column("what can go is removed by"),
    )
    rows = [(each.what, f"{each.count:,}", size_of(each.size), each.command) for each in holdings]
    yield Grid(columns, rows)


def _facts(holding: Holding) -> dict[str, Any]:
    return {
        "what": holding.what,
        "place": str(holding.place),
        "count": holding.count,
        "size": holding.size,
        "command": holding.command,
    }


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(clean)

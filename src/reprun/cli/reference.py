"""`reprun reference …`: the log of a reference shown and checked, its large files fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from reprun.cli.options import (
    AnalysesArgument,
    AnalysisArgument,
    Asked,
    FormatOption,
    choosing,
    expanded,
    only_one,
)
from reprun.digests import short
from reprun.wording import count_of, size_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.runs.reference_check import Checked
    from reprun.runs.reference_log import Entry, Log

app = typer.Typer(help="References: log, verify, fetch.", no_args_is_help=True)


@app.command()
@choosing
def log(asked: Asked, output_format: FormatOption = "text") -> None:
    """List who made which numbers the reference, when and why.

    It shows what the log says: `reprun reference verify` checks that it holds.
    """
    from reprun.cli.output import answer
    from reprun.runs.reference_check import log_and_notes

    selection = asked.select()
    found, notes = log_and_notes(selection.reference)
    facts = {
        "analysis": selection.analysis.name,
        "reference": str(selection.reference),
        "entries": [] if found is None else [_facts(n, e) for n, e in found.entries.items()],
        "notes": notes,
    }
    answer("reference-log", output_format, facts, _log_text(found, notes))


def _facts(line: int, entry: Entry) -> dict[str, Any]:
    return {"line": line, **entry.model_dump(mode="json", exclude={"schema_version"})}


def _log_text(log: Log | None, notes: list[str]) -> Iterator[RenderableType]:
    from reprun.report.grid import Column, Grid, styled

    if log is not None and log.entries:
        columns = (
            Column("line", right=True),
            Column("date"),
            Column("author"),
            Column("reason", prose=True),
            Column("accepted", prose=True),
            Column("variant"),
            Column("reference"),
        )
        yield Grid(columns, [_row(line, entry) for line, entry in log.entries.items()])
    yield from (styled((note, "yellow")) for note in notes)


def _row(line: int, entry: Entry) -> tuple[str, ...]:
    accepted = entry.compared.sentence if entry.compared else "-"
    reason = entry.reason or "nobody has blessed it"
    return (
        str(line),
        str(entry.date or "-"),
        _one_line(entry.author or "-"),
        f"{_one_line(reason)} (found when the log began)" if entry.found else _one_line(reason),
        _one_line(accepted),
        _one_line(entry.variant or "-"),
        short(entry.reference),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


@app.command()
def verify(analysis: AnalysesArgument, output_format: FormatOption = "text") -> None:
    """Check references against their logs, line by line.

    Each log must hold, and files and `blessed.json` must be those of its last line. Of an analysis
    all references are checked, those of datasets and parts of the events too.
    """
    from reprun.cli.output import answer

    if only_one(analysis):
        found = _verified(analysis[0])
        answer(
            "reference-verification",
            output_format,
            _verification(found),
            [one.sentence for one in found],
        )
        return
    from reprun.cli.several import Done, answer_each, for_each

    def act(asked: Asked) -> Done:
        found = _verified(asked.analysis)
        return Done("; ".join(one.sentence for one in found), _verification(found))

    chosen = [Asked(name, None, None, None, None, None) for name in expanded(analysis)]
    answer_each("reference-verification-list", output_format, for_each(chosen, act))


def _verified(called: str) -> list[Checked]:
    from reprun.cli.console import progress_on_stderr
    from reprun.documents.project import Project
    from reprun.runs.reference_check import check_references
    from reprun.store.store import Store

    home = Project.find().analysis_directory(called)
    return check_references(home, called, Store.default(), progress_on_stderr())


def _verification(found: list[Checked]) -> dict[str, Any]:
    return {
        "references": [
            {
                "directory": one.directory,
                "lines": one.lines,
                "files": one.files,
                "number": one.last.number,
                "reference": one.last.reference,
            }
            for one in found
        ]
    }


@app.command()
def fetch(analysis: AnalysisArgument, output_format: FormatOption = "text") -> None:
    """Bring reference files that are not in Git into the store.

    A run does so too. They are verified by their sha256.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.documents.project import Project
    from reprun.runs.all_references import fetch_references
    from reprun.store import collection
    from reprun.store.store import Store

    project, store = Project.find(), Store.default()
    collection.register(store, project.root)
    home = project.analysis_directory(analysis)
    found = fetch_references(home, analysis, store, progress_on_stderr())
    facts = {"analysis": analysis, "references": [asdict(one) for one in found]}
    text = [
        f"{one.directory}: {count_of(len(one.files), 'file')} kept elsewhere, {size_of(one.size)}, "
        "verified"
        for one in found
    ]
    answer("reference-fetch", output_format, facts, text)

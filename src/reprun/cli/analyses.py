"""The commands about analyses as they are: list, show, lock, bless."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.options import (
    AnalysesArgument,
    AnalysisArgument,
    Asked,
    FormatOption,
    ResultsOption,
    Several,
    YesOption,
    choosing_several,
    expanded,
    only_one,
    project_here,
)
from reprun.wording import count_of

if TYPE_CHECKING:
    from reprun.documents.selection import Selection
    from reprun.progress import Progress
    from reprun.runs.blessing import Blessed
    from reprun.runs.preview import Preview
    from reprun.store.store import Store


def list_analyses(results: ResultsOption = None, output_format: FormatOption = "text") -> None:
    """List the analyses with their last verdict here."""
    from reprun.cli.analyses_output import list_text
    from reprun.cli.output import answer
    from reprun.runs.last_runs import listed

    project = project_here(results)
    rows = listed(project, results or project.results)
    answer("analysis-list", output_format, {"analyses": rows}, list_text(rows))


def show(
    analysis: AnalysisArgument,
    results: ResultsOption = None,
    output_format: FormatOption = "text",
) -> None:
    """Show an analysis: variants, datasets, outputs, comparisons."""
    from reprun.cli.analyses_output import analysis_text
    from reprun.cli.output import answer
    from reprun.documents.analysis import load_analysis
    from reprun.runs.last_runs import analysis_document

    project = project_here(results)
    directory = project.analysis_directory(analysis)
    loaded = load_analysis(directory)
    document = analysis_document(loaded, directory, results or project.results)
    answer("analysis", output_format, document, analysis_text(loaded))


def lock(analysis: AnalysesArgument, output_format: FormatOption = "text") -> None:
    """Write analysis.lock with every digest; say what changed.

    Of several analyses each is locked, whatever comes of the others.
    """
    from reprun.cli.output import answer

    if only_one(analysis):
        facts, changes = _locked(analysis[0])
        answer("lock", output_format, facts, [*changes, f"locked: {facts['path']}"])
        return
    from reprun.cli.several import Done, answer_each, for_each

    def act(asked: Asked) -> Done:
        facts, changes = _locked(asked.analysis)
        what = count_of(len(changes), "change") if changes else "nothing changed"
        return Done(f"locked: {what}", facts, changes)

    chosen = [Asked(name, None, None, None, None, None) for name in expanded(analysis)]
    answer_each("lock-list", output_format, for_each(chosen, act))


def _locked(name: str) -> tuple[dict[str, Any], list[str]]:
    """Lock an analysis; return the facts and a line for each change."""
    from reprun.documents.project import Project
    from reprun.documents.selection import select
    from reprun.runs.lock import LOCK, renew_lock, write_lock
    from reprun.store.store import Store

    selection = select(Project.find(), name)
    if selection.analysis.datasets:
        from reprun.data import check_committed

        for dataset in selection.analysis.datasets.values():
            check_committed(dataset, selection.directory)
    locked, changes = renew_lock(selection, Store.default())
    write_lock(locked, selection.directory)
    facts = {
        "analysis": selection.analysis.name,
        "path": str(selection.directory / LOCK),
        "changes": [asdict(each) for each in changes],
    }
    return facts, [str(each) for each in changes]


@choosing_several
def bless(
    asked: Several,
    reason: Annotated[str, typer.Option(help="Why these numbers are right.")],
    author: Annotated[str, typer.Option(help="Who says so. Default: git's user.name.")] = "",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Directory of a run, or of results. Default: the last run here.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="FAILED|GLOB",
            help="Change what failed, or objects that match; all else stays byte by byte.",
        ),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL|oci://REPO",
            help="Keep large files out of Git: copy them there, or to a registry; a URL has them.",
        ),
    ] = None,
    publish_above: Annotated[
        int | None,
        typer.Option(min=0, metavar="BYTES", help="What is large. Default: 1 MB."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    yes: YesOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Make the last run's outputs the reference, and lock it.

    It shows what changes, and asks on a terminal. With --only the other objects of the reference
    stay, and what they were made from. Of several analyses each is blessed with the same reason.
    """
    from reprun.cli.analyses_output import preview_lines, preview_summary, preview_text
    from reprun.cli.console import confirmed, is_asked
    from reprun.cli.output import answer, print_text
    from reprun.runs.blessing import bless_last_run
    from reprun.runs.elsewhere import Publishing

    asks = not (yes or dry_run) and output_format == "text" and is_asked()

    def blessed(one: Asked) -> dict[str, Any]:
        def agree(found: Preview) -> bool:
            if asks:
                print_text(preview_text(found))
                return confirmed(f"make this the reference of {one.analysis}?")
            return not dry_run

        publishing = Publishing.of(publish, publish_above)
        act = partial(bless_last_run, reason=reason, author=author, source=source, only=only or ())
        act = partial(act, publishing=publishing)
        return _blessed(one, partial(act, agree=agree))

    if (one := asked.one) is not None:
        facts = blessed(one)
        shown = () if asks or not facts["preview"] else preview_text(facts["preview"])
        text = [*shown, *facts["reference"], _done(facts, dry_run=dry_run)]
        answer("blessing", output_format, _in_json(facts), text)
        return
    from reprun.cli.several import Done, answer_each, for_each

    def act(one: Asked) -> Done:
        facts = blessed(one)
        found = facts["preview"]
        about = f": {preview_summary(found)}" if found else ""
        done = _done(facts, dry_run=dry_run).partition(";")[0]
        lines = list(preview_lines(found)) if found and not asks else []
        return Done(f"{done}{about}", _in_json(facts), lines)

    answer_each("blessing-list", output_format, for_each(asked.each, act))


def _blessed(asked: Asked, act: Callable[[Selection, Store, Progress], Blessed]) -> dict[str, Any]:
    """Bless an analysis; return the facts."""
    from reprun.cli.console import progress_on_stderr
    from reprun.store.store import Store

    selection = asked.select()
    done = act(selection, Store.default(), progress_on_stderr())
    return {
        "analysis": selection.analysis.name,
        "reference": list(done.written),
        "preview": done.preview,
        "next": selection.command("run"),
    }


def _done(facts: Mapping[str, Any], *, dry_run: bool) -> str:
    if facts["reference"]:
        return f"blessed and locked; now: {facts['next']}"
    return "nothing was written (--dry-run)" if dry_run else "nothing was written"


def _in_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    preview = facts["preview"]
    return {**facts, "preview": None if preview is None else asdict(preview)}


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("list")(list_analyses)
    app.command()(show)
    app.command()(lock)
    app.command()(bless)

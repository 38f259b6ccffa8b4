"""The commands that find a cause by running again: blame and bisect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprun.cli.completion import image_names, run_names
from reprun.cli.options import (
    Asked,
    CoresOption,
    EngineOption,
    FormatOption,
    TrustOption,
    YesOption,
    choosing,
)

if TYPE_CHECKING:
    from reprun.blame.repository import Repository
    from reprun.documents.selection import Selection

NetworkOption = Annotated[
    bool, typer.Option("--allow-network", help="As for reprun run: not hermetic.")
]


@choosing
def blame(
    asked: Asked,
    good: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The good run. Default: the last one before it was red.",
            autocompletion=run_names,
        ),
    ] = None,
    bad: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The bad run. Default: the first one since it is red.",
            autocompletion=run_names,
        ),
    ] = None,
    engine: EngineOption = "auto",
    cores: CoresOption = None,
    allow_network: NetworkOption = False,
    trust_snakefile: TrustOption = False,
    yes: YesOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Find what made two runs differ, by running again.

    One factor at a time is set as it was in the other run, then several: image, data, conditions,
    code, parameters, reference, engine. All of it is a copy in a directory of its own, removed at
    the end. Exit code 0: the cause is proved; 1: it is not.
    """
    from reprun.blame.attribution import MANY, Attribution
    from reprun.blame.case import case_of, two_nights
    from reprun.blame.setting import Settings
    from reprun.blame.sources import Sources
    from reprun.cli.blame_output import blame_facts, blame_text
    from reprun.cli.console import confirmed, is_asked, progress_on_stderr
    from reprun.cli.output import answer
    from reprun.errors import ExitCode, SpecificationError
    from reprun.files import make_directory, scratch, sweep
    from reprun.history.database import FILE, looked_into
    from reprun.runs.request import RunRequest
    from reprun.store.store import Store
    from reprun.wording import count_of

    selection, store, progress = asked.select(), Store.default(), progress_on_stderr()
    results = selection.results.resolve()
    make_directory(results)
    sweep(results)
    with scratch(results) as home:
        # All that is asked of the history is asked first: the nights go on while this runs.
        with looked_into(results / FILE) as database:
            if database is None:
                raise SpecificationError(
                    f"there is no history yet: {results / FILE}",
                    hint="reprun matrix   # each run leaves a row",
                )
            cell, last_good, first_bad = two_nights(database, selection, good, bad)
            sources = Sources(selection, database, store, _repository(selection, home))
            settings = Settings(selection, sources, home, store)
            named = engine != "auto"
            case = case_of(database, cell, last_good, first_bad, settings, engine=named)
        request = RunRequest(
            selection,
            engine=engine,
            cores=cores,
            allow_network=allow_network,
            trust_snakefile=trust_snakefile,
        )
        attribution = Attribution(case, settings, request, store, progress)
        differing = f"{count_of(len(case.moved), 'change')} that can be put back"
        said = f"{differing}, at most {count_of(attribution.most_runs, 'run')}"
        progress.say(f"{last_good.name} → {first_bad.name}: {said}")
        if attribution.most_runs > MANY and not yes:
            if output_format != "text" or not is_asked():
                runs = f"--good {last_good.name} --bad {first_bad.name} --yes"
                raise SpecificationError(
                    f"more than {MANY} runs may be needed: {said}",
                    hint=selection.command("blame", runs),
                )
            if not confirmed(f"{said}: run them?"):
                raise typer.Exit
        found = attribution.blame()
    answer("blame", output_format, blame_facts(found), blame_text(found))
    code = ExitCode.REPRODUCED if found.conclusion == "found" else ExitCode.NOT_REPRODUCED
    raise typer.Exit(code)


@choosing
def bisect(
    asked: Asked,
    good: Annotated[
        str,
        typer.Option(
            metavar="IMAGE|COMMIT", help="Where it reproduces.", autocompletion=image_names
        ),
    ],
    bad: Annotated[
        str,
        typer.Option(metavar="IMAGE|COMMIT", help="Where it does not.", autocompletion=image_names),
    ],
    images: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help="Images in the order in which they came. Default: those of the catalogue that "
            "are called like the good one but for the version.",
        ),
    ] = None,
    failing: Annotated[
        bool, typer.Option("--failing", help="One whose steps fail is bad, and not skipped.")
    ] = False,
    engine: EngineOption = "auto",
    cores: CoresOption = None,
    allow_network: NetworkOption = False,
    trust_snakefile: TrustOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Find the first image or commit that does not reproduce.

    Candidates are halved: 16 take 4 runs, and one more where an end was never tested. Commits are
    those of the repository that the project is in: each is checked out in a directory of its own,
    and nothing of the repository is executed on this host.
    Exit code 0: it is found; 1: it is not.
    """
    from reprun.blame.candidates import (
        bisect,
        commit_candidates,
        image_candidates,
        images_between,
    )
    from reprun.cli.blame_output import bisection_facts, bisection_text
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.errors import ExitCode, SpecificationError
    from reprun.files import make_directory, scratch, sweep
    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.runs.request import RunRequest
    from reprun.store.store import Store

    selection, store, progress = asked.select(), Store.default(), progress_on_stderr()
    results = selection.results.resolve()
    make_directory(results)
    sweep(results)
    with scratch(results) as home:
        known = Catalogue.of(selection.project).names()
        if images is not None or {good, bad} <= set(known):
            named = [name for name in (images or "").split(",") if name]
            row = images_between(selection.project, good, bad, named)
            candidates = image_candidates(selection, row, home)
        else:
            repository = _repository(selection, home)
            if repository is None:
                raise SpecificationError(
                    f"'{good}' and '{bad}' are no images, and there is no Git repository here",
                    place=str(selection.project.root),
                    hint="reprun images list",
                )
            candidates = commit_candidates(selection, repository, good, bad, home)
        request = RunRequest(
            selection,
            engine=engine,
            cores=cores,
            allow_network=allow_network,
            trust_snakefile=trust_snakefile,
        )
        found = bisect(candidates, request, store, progress, failing=failing)
    answer("bisection", output_format, bisection_facts(found), bisection_text(found))
    raise typer.Exit(ExitCode.REPRODUCED if found.first_bad else ExitCode.NOT_REPRODUCED)


def _repository(selection: Selection, home: Path) -> Repository | None:
    """Return the user's repository; None, with a note, where Git cannot read it."""
    from reprun.blame.repository import Repository
    from reprun.cli.console import print_note
    from reprun.errors import ToolError

    try:
        return Repository.of(selection.project.root, home / "git")
    except ToolError as error:
        print_note(f"note: Git is not asked: {error.message}")
        return None


def add_commands(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.command("blame")(blame)
    program.command("bisect")(bisect)

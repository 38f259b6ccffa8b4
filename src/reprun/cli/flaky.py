"""The command that asks whether a result depends on what should not matter."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reprun.cli.options import (
    Asked,
    CoresOption,
    EngineOption,
    FormatOption,
    ParameterOption,
    TrustOption,
    choosing,
    parameters_of,
)


def _names(incomplete: str) -> list[str]:
    from reprun.flaky.variations import BY_NAME

    return [name for name in BY_NAME if name.startswith(incomplete)]


@choosing
def flaky(
    asked: Asked,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Only this variation; may be given several times. Default: all.",
            autocompletion=_names,
        ),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Only say what would be varied, and run nothing.")
    ] = False,
    parameter: ParameterOption = None,
    engine: EngineOption = "auto",
    cores: CoresOption = None,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let conditions come from a server: not locked.")
    ] = False,
    trust_snakefile: TrustOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Vary its settings, each alone; say what depends on which.

    Time zone, user, CPUs, threads, hash seed and more: every run is a copy apart, and nothing of
    yours is written. Ends with 0 where nothing varies, and with 1 where something does.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.flaky_output import list_facts, list_text, measured_facts, measured_text
    from reprun.cli.output import answer
    from reprun.errors import ExitCode
    from reprun.flaky.measure import measure, plan
    from reprun.flaky.variations import chosen
    from reprun.runs.request import RunRequest
    from reprun.store.store import Store

    variations = chosen(only or [])
    options: dict[str, Any] = {
        "parameters": parameters_of(parameter or []),
        "engine": engine,
        "cores": cores,
        "allow_network": allow_network,
        "trust_snakefile": trust_snakefile,
    }
    request = RunRequest(asked.select(), **options)
    if list_only:
        status, lacking = plan(variations, request, Store.default())
        facts = list_facts(variations, status, lacking)
        answer("variation-list", output_format, facts, list_text(variations, lacking))
        return
    found = measure(variations, request, Store.default(), progress_on_stderr())
    answer(
        "variations",
        output_format,
        measured_facts(request.selection, found),
        measured_text(request.selection, found),
    )
    raise typer.Exit(ExitCode.NOT_REPRODUCED if found.varies else ExitCode.REPRODUCED)


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(flaky)

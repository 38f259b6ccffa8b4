"""The commands for REANA: submit, and `reprun reana …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.options import (
    Asked,
    FormatOption,
    ParameterOption,
    TrustOption,
    choosing,
    parameters_of,
)
from reprun.errors import SpecificationError
from reprun.wording import count_of, log_text

if TYPE_CHECKING:
    from reprun.documents.selection import Selection
    from reprun.reana.remote.client import Client
    from reprun.reana.remote.follow import Remote
    from reprun.reana.remote.submission import Submission
    from reprun.runs.request import RunRequest
    from reprun.runs.run import RunOutcome

app = typer.Typer(
    help="REANA: export, status, logs, stop, fetch, list.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="The server. Default: REANA_SERVER_URL."),
]
PlainOption = Annotated[
    bool,
    typer.Option("--plain-http", help="Send the token unencrypted, to another machine as well."),
]
RegistryOption = Annotated[
    str | None,
    typer.Option(metavar="HOST/PREFIX", help="The images were pushed to HOST/PREFIX/NAME."),
]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=HOST/REPOSITORY", help="Where a cluster pulls one image."),
]


@choosing
def submit(
    asked: Asked,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Wait for the end, fetch the outputs and evaluate them."),
    ] = False,
    parameter: ParameterOption = None,
    registry: RegistryOption = None,
    image: ImageOption = None,
    server: ServerOption = None,
    plain_http: PlainOption = False,
    trust_snakefile: TrustOption = False,
    again: Annotated[
        bool, typer.Option("--again", help="Submit again, whatever the state of the last one.")
    ] = False,
    output_format: FormatOption = "text",
) -> None:
    """Run an analysis on REANA, or go on where it stopped.

    Typed again, it continues where it stopped.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.reana.remote.submission import Submission
    from reprun.reana.remote.submit import SubmitRequest
    from reprun.reana.remote.submit import submit as submit_analysis
    from reprun.store.store import Store

    run = _request(asked, parameter, trust_snakefile=trust_snakefile)
    request = SubmitRequest(run, registry, _images(image), again, follow)
    remote = _remote(server, plain_http)
    outcome = submit_analysis(request, remote, Store.default(), progress_on_stderr())
    if isinstance(outcome, Submission):
        text = [
            f"submitted: {outcome.label} on {outcome.server}",
            f"now: {run.selection.command('submit', '--follow')}",
        ]
        answer("submission", output_format, outcome, text)
        return
    _print_outcome(outcome, output_format)


@app.command()
@choosing
def export(
    asked: Asked,
    directory: Annotated[
        Path | None,
        typer.Option(help="A new or empty directory. Default: results/ANALYSIS/….reana/project."),
    ] = None,
    parameter: ParameterOption = None,
    registry: RegistryOption = None,
    image: ImageOption = None,
    trust_snakefile: TrustOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Write a complete REANA project, images by digest."""
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.engines.confinement import confinement
    from reprun.reana.remote.submission import PROJECT
    from reprun.reana.remote.submit import prepare_export, remote_cell
    from reprun.store.store import Store

    if directory is not None and not _is_free(directory):
        raise SpecificationError(
            f"{directory} is not an empty directory",
            place=str(directory),
            hint="name a directory that is, or that is not there yet",
        )
    store, progress = Store.default(), progress_on_stderr()
    cell = remote_cell(_request(asked, parameter), store)
    place = directory or cell.run_directory / PROJECT
    confined = confinement(store, trusted=trust_snakefile, progress=progress)
    exported, _ = prepare_export(cell, place, registry, _images(image), confined, store, progress)
    facts = {
        "directory": str(exported.directory),
        "files": list(exported.files),
        "images": dict(exported.images),
        "changes": list(exported.changes),
    }
    many = count_of(len(exported.files), "file")
    text = [
        *exported.changes,
        *(f"image {name}: {reference}" for name, reference in exported.images.items()),
        f"exported and validated by REANA's code: {exported.directory} ({many})",
    ]
    answer("reana-export", output_format, facts, text)


@app.command()
@choosing
def status(
    asked: Asked,
    server: ServerOption = None,
    plain_http: PlainOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Print what became of the submission, step by step."""
    from reprun.cli.output import answer
    from reprun.reana.remote.record import jobs_of

    selection = asked.select()
    with _submitted(selection, _remote(server, plain_http)) as (submission, client):
        found = client.status(submission.remote)
        jobs = jobs_of(client.logs(submission.remote))
    facts = {
        **_facts(submission),
        "status": found["status"],
        "steps": [{"name": job.name, "status": job.status, "image": job.image} for job in jobs],
    }
    text = [
        f"{submission.label} on {submission.server}: {found['status']}",
        *(f"  {job.name}: {job.status}" for job in jobs),
    ]
    answer("reana-status", output_format, facts, text)


@app.command()
@choosing
def logs(
    asked: Asked,
    step: Annotated[str | None, typer.Option(help="Only the log of this step.")] = None,
    server: ServerOption = None,
    plain_http: PlainOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Print what the steps printed, and the workflow engine."""
    from reprun.cli.output import answer
    from reprun.reana.remote.record import jobs_of

    selection = asked.select()
    with _submitted(selection, _remote(server, plain_http)) as (submission, client):
        found = client.logs(submission.remote)
    jobs = [job for job in jobs_of(found) if step in (None, job.name)]
    if step is not None and not jobs:
        raise SpecificationError(
            f"{submission.label} has no step '{step}' yet", hint=selection.command("reana status")
        )
    engine = str(found.get("workflow_logs") or "") if step is None else None
    facts = {
        **_facts(submission),
        "steps": [{"name": job.name, "status": job.status, "log": job.text} for job in jobs],
        "engine": engine,
    }
    text = [line for job in jobs for line in (f"==> {job.name} ({job.status})", log_text(job.text))]
    text += [] if engine is None else ["==> engine", log_text(engine)]
    answer("reana-logs", output_format, facts, text)


def _facts(submission: Submission) -> dict[str, Any]:
    """Return which submission an answer in JSON is about."""
    return {"name": submission.label, "server": submission.server}


def _is_free(directory: Path) -> bool:
    """Tell whether a directory is empty, or not there yet."""
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))


@app.command()
@choosing
def stop(
    asked: Asked,
    server: ServerOption = None,
    plain_http: PlainOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Stop the submission."""
    from reprun.cli.output import answer

    selection = asked.select()
    with _submitted(selection, _remote(server, plain_http)) as (submission, client):
        client.stop(submission.remote)
        found = client.status(submission.remote)
    facts = {**_facts(submission), "status": found["status"]}
    answer("reana-stop", output_format, facts, [f"{submission.label}: {found['status']}"])


@app.command()
@choosing
def fetch(
    asked: Asked,
    parameter: ParameterOption = None,
    server: ServerOption = None,
    plain_http: PlainOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Fetch the outputs once it has ended, and evaluate them."""
    from reprun.cli.console import progress_on_stderr
    from reprun.reana.remote.submit import finish
    from reprun.store.store import Store

    request = _request(asked, parameter)
    remote = _remote(server, plain_http)
    _print_outcome(finish(request, remote, Store.default(), progress_on_stderr()), output_format)


@app.command("list")
def list_workflows(
    server: ServerOption = None,
    plain_http: PlainOption = False,
    output_format: FormatOption = "text",
) -> None:
    """List your workflows on the server."""
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.reana.remote.submit import connected
    from reprun.store.store import Store

    with connected(_remote(server, plain_http), Store.default(), progress_on_stderr()) as client:
        found = client.workflows()
    text = [f"{one['name']}  {one['status']}  {one['created']}" for one in found]
    answer("reana-list", output_format, {"workflows": found}, text)


def add_commands(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.command()(submit)
    program.add_typer(app, name="reana")


def _request(
    asked: Asked, parameter: list[str] | None, *, trust_snakefile: bool = False
) -> RunRequest:
    from reprun.runs.request import RunRequest

    parameters = parameters_of(parameter or [])
    return RunRequest(asked.select(), parameters=parameters, trust_snakefile=trust_snakefile)


@contextmanager
def _submitted(selection: Selection, remote: Remote) -> Iterator[tuple[Submission, Client]]:
    """Yield what was submitted, and a client of the server it was submitted to."""
    from reprun.cli.console import progress_on_stderr
    from reprun.reana.remote.submit import connected, submission_of
    from reprun.store.store import Store

    submission = submission_of(selection, remote)
    with connected(remote, Store.default(), progress_on_stderr()) as client:
        yield submission, client


def _remote(server: str | None, plain_http: bool) -> Remote:
    from reprun.reana.remote.access import take_token
    from reprun.reana.remote.follow import Remote
    from reprun.reana.remote.server import server_address

    address = server_address(server, plain_http=plain_http)
    return Remote(address, take_token())


def _images(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        name, equals, reference = text.partition("=")
        if not equals or not name or not reference:
            raise SpecificationError(
                f"--image {text}: write NAME=HOST/REPOSITORY", hint="reprun submit --help"
            )
        found[name] = reference
    return found


def _print_outcome(outcome: RunOutcome, output_format: str) -> None:
    from reprun.cli.output import answer
    from reprun.cli.run_output import outcome_text

    answer("run-report", output_format, outcome.report, outcome_text(outcome))
    raise typer.Exit(outcome.report.exit_code)

"""From an analysis to the verdict, by way of a cluster: send, follow, fetch, judge.

Each part looks first at what is already done, so a command that was cut off is typed again and
goes on. `create` and `start` are sent once; what became of a lost answer is asked of the server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reprun.documents.record import read_record
from reprun.documents.selection import Selection
from reprun.engines.confinement import Confinement, confinement
from reprun.errors import IntegrityError, InterruptedRunError, ReanaError, SpecificationError
from reprun.progress import Progress
from reprun.reana.remote.client import Client, RemoteError
from reprun.reana.remote.environment import client_python
from reprun.reana.remote.export import SPECIFICATION, Exported, export, image_references
from reprun.reana.remote.fetch import fetch_and_judge
from reprun.reana.remote.follow import ENDED, Remote, follow
from reprun.reana.remote.server import check_server
from reprun.reana.remote.submission import (
    PROJECT,
    Keeper,
    PlannedRule,
    Submission,
    new_name,
    read_submission,
    remote_directory,
)
from reprun.reana.remote.validation import validated
from reprun.runs.cell import Cell, load_remote_cell
from reprun.runs.directory import alone
from reprun.runs.request import RunRequest
from reprun.runs.run import RunOutcome, stored_report
from reprun.store import collection
from reprun.store.store import Store
from reprun.workflow.rerun import Nothing


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """What the user asked for."""

    run: RunRequest
    registry: str | None = None
    images: Mapping[str, str] | None = None
    again: bool = False
    """Submit again, whatever became of the last submission."""
    follow: bool = False


def remote_cell(request: RunRequest, store: Store) -> Cell:
    """Return the cell with a run directory of its own, beside that of local runs."""
    place = remote_directory(request.selection)
    return replace(load_remote_cell(request, store), run_directory=place)


def prepare_export(
    cell: Cell,
    directory: Path,
    registry: str | None,
    images: Mapping[str, str] | None,
    confined: Confinement,
    store: Store,
    progress: Progress,
) -> tuple[Exported, Any]:
    """Write the project and let REANA's own code validate it; return it and its specification."""
    unknown = set(images or {}) - {image.name for image in cell.images.values()}
    if unknown:
        raise SpecificationError(
            f"--image {min(unknown)}: {cell.selection.analysis.name} does not use it",
            hint=cell.selection.about("show"),
        )
    references = image_references(cell.images.values(), cell.catalogue, images or {}, registry)
    exported = export(cell, directory, references, confined, store, progress)
    return exported, validated(exported.directory, client_python(store, progress), confined)


@contextmanager
def connected(remote: Remote, store: Store, progress: Progress) -> Iterator[Client]:
    """Yield a client, once the server has shown that it is the one meant."""
    check_server(remote.address)
    with Client(client_python(store, progress), remote.address, remote.token) as client:
        yield client


def submit(
    request: SubmitRequest, remote: Remote, store: Store, progress: Progress
) -> RunOutcome | Submission:
    """Send an analysis to REANA; with `follow` also wait for it, fetch and judge.

    Raises what `reprun run` raises; StepFailedError with the end of the failing step's log.
    """
    cell = remote_cell(request.run, store)
    with alone(cell.run_directory, store, progress), collection.hold(store, cell.data_digests()):
        last = read_submission(cell.run_directory)
        if (outcome := _done_before(request, cell, last, progress)) is not None:
            return outcome
        with connected(remote, store, progress) as client:
            version = client.check_version()
            submission = _going_on(request, cell, last, remote, client, progress)
            exported: Exported | None = None
            specification: Any = None
            if submission is None or not submission.reached("uploaded"):
                exported, specification = _exported(request, cell, store, progress)
                if submission is not None and submission.images != exported.images:
                    progress.say(f"{submission.label} was made for other images; submitting again")
                    submission = None
            if submission is None:
                assert exported is not None
                submission = _begin(cell, exported, remote, version)
            keeper = Keeper(submission, cell.run_directory)
            if exported is not None:
                _send(keeper, client, exported, specification, progress)
            _start(keeper, client, progress)
            if not request.follow:
                return keeper.submission
            try:
                follow(keeper, client, remote, progress)
            except (KeyboardInterrupt, InterruptedRunError) as error:
                raise InterruptedRunError(
                    f"interrupted; {keeper.submission.label} continues on {remote.address}",
                    hint=f"{_submit(cell)}   # continues to follow",
                ) from error
            return fetch_and_judge(keeper, cell, client, progress)


def _exported(
    request: SubmitRequest, cell: Cell, store: Store, progress: Progress
) -> tuple[Exported, Any]:
    confined = confinement(store, trusted=request.run.trust_snakefile, progress=progress)
    directory = cell.run_directory / PROJECT
    return prepare_export(
        cell, directory, request.registry, request.images, confined, store, progress
    )


def finish(request: RunRequest, remote: Remote, store: Store, progress: Progress) -> RunOutcome:
    """Fetch what a workflow that has ended left, and judge it."""
    cell = remote_cell(request, store)
    with alone(cell.run_directory, store, progress), connected(remote, store, progress) as client:
        submission = submission_of(request.selection, remote)
        if submission.inputs != cell.plan.inputs.digest:
            # The record would name inputs that the cluster never saw.
            raise SpecificationError(
                f"{submission.label} was submitted with inputs that differ from the current ones",
                place=str(cell.run_directory),
                hint=f"{_submit(cell)}   # with the parameters (-p) of that submission",
            )
        keeper = Keeper(submission, cell.run_directory)
        status = str(client.status(submission.remote)["status"])
        if status not in ENDED:
            raise ReanaError(
                f"{submission.label} is {status}; its outputs are fetched when it has ended",
                hint=f"{_submit(cell)}   # waits for it",
            )
        keeper.note(phase="ended", status=status)
        return fetch_and_judge(keeper, cell, client, progress)


def submission_of(selection: Selection, remote: Remote) -> Submission:
    """Return what was submitted; raise SpecificationError where nothing was, or elsewhere."""
    place = remote_directory(selection)
    submission = read_submission(place)
    if submission is None:
        raise SpecificationError(
            f"{selection.analysis.name} was not submitted from here",
            place=str(place),
            hint=selection.command("submit"),
        )
    if submission.server != remote.address:
        raise SpecificationError(
            f"{submission.label} was submitted to {submission.server}, not to {remote.address}",
            hint=f"--server {submission.server}",
        )
    return submission


def _submit(cell: Cell) -> str:
    """Return the command that goes on with a submission."""
    return cell.selection.command("submit", "--follow")


def _done_before(
    request: SubmitRequest, cell: Cell, last: Submission | None, progress: Progress
) -> RunOutcome | None:
    """Return the verdict of the last submission if it still stands and nobody wants another."""
    if request.again or last is None or last.phase != "fetched":
        return None
    record = read_record(cell.run_directory)
    report = stored_report(cell, record, progress) if record else None
    if record is None or report is None or last.inputs != cell.plan.inputs.digest:
        return None
    rerun = Nothing(f"{last.label} has ended and nothing changed")
    return RunOutcome(report, record, cell.run_directory, rerun, cell.lock_changes)


def _going_on(
    request: SubmitRequest,
    cell: Cell,
    last: Submission | None,
    remote: Remote,
    client: Client,
    progress: Progress,
) -> Submission | None:
    """Return the submission to go on with; None where a new one is to be made.

    Raises SpecificationError where one with other inputs, or elsewhere, may still run: nobody
    would look after it any more.
    """
    if last is None or request.again or last.phase == "fetched":
        return None
    same = last.inputs == cell.plan.inputs.digest
    if last.server != remote.address:
        raise SpecificationError(
            f"{last.label} was submitted to {last.server} and its outputs were not fetched",
            hint=f"--server {last.server}   # or: --again, which leaves it there",
        )
    try:
        status = str(client.status(last.remote)["status"])
    except RemoteError as error:
        if error.status != 404:
            raise
        # It never came into being (or was deleted): start from the beginning.
        return last.model_copy(update={"phase": "named"}) if same and not last.workflow_id else None
    if status in ("failed", "stopped", "deleted"):
        progress.say(f"{last.label} is {status}; submitting again")
        return None
    if not same:
        if status in ("finished", "created"):
            return None
        raise SpecificationError(
            f"{last.label} is {status} with inputs that differ from the current ones",
            hint=f"{cell.selection.command('reana stop')}   # or: --again, which leaves it there",
        )
    progress.say(f"continuing with {last.label}, which is {status}")
    if status != "created":
        return last.model_copy(update={"phase": "started"}) if not last.reached("started") else last
    return last


def _begin(cell: Cell, exported: Exported, remote: Remote, version: str) -> Submission:
    rules = {
        step.rule: PlannedRule(
            command=step.command,
            inputs=step.inputs,
            outputs=step.outputs,
            threads=step.threads,
            memory_mb=step.memory_mb,
        )
        for step in exported.steps
    }
    return Submission(
        server=remote.address,
        name=new_name(cell),
        inputs=cell.plan.inputs.digest,
        images=exported.images,
        rules=rules,
        changes=exported.changes,
        created=dt.datetime.now(dt.UTC),
        server_version=version,
    )


def _send(
    keeper: Keeper,
    client: Client,
    exported: Exported,
    specification: Any,
    progress: Progress,
) -> None:
    """Create the workflow if it is not there, and upload what is not there."""
    if keeper.submission.workflow_id is None:
        found = _created_before(keeper.submission, client)
        if found is None:
            try:
                found = client.create(keeper.submission.name, specification)
            except RemoteError as error:
                # The answer may be what was lost, not the workflow.
                found = _created_before(keeper.submission, client) if error.passes else None
                if found is None:
                    raise
        keeper.note(workflow_id=found[0], workflow_name=found[1], phase="created")
        progress.say(f"created {found[1]} on {keeper.submission.server}")
    names = [SPECIFICATION, *exported.files]
    sizes = {name: (exported.directory / name).stat().st_size for name in names}
    with progress.task("uploading", sum(sizes.values())) as task:
        for name in names:
            if name not in keeper.submission.uploaded:
                client.upload(keeper.submission.remote, exported.directory / name, name)
                keeper.note(uploaded=(*keeper.submission.uploaded, name))
            task.advance(sizes[name])
    there = client.files(keeper.submission.remote)
    for name, size in sizes.items():
        if there.get(name) != size:
            keeper.note(uploaded=tuple(x for x in keeper.submission.uploaded if x != name))
            raise IntegrityError(
                f"{name} has {size} bytes and the server holds {there.get(name, 'nothing')} of it",
                hint="type the same command again: it is uploaded once more",
            )
    keeper.note(phase="uploaded")


def _created_before(submission: Submission, client: Client) -> tuple[str, str] | None:
    """Return id and name of a workflow of that name on the server."""
    try:
        found = client.status(submission.name)
    except RemoteError as error:
        if error.status == 404:
            return None
        raise
    return str(found["id"]), str(found["name"])


def _start(keeper: Keeper, client: Client, progress: Progress) -> None:
    """Start the workflow unless the server says that it is started."""
    if keeper.submission.reached("started"):
        return
    remote = keeper.submission.remote
    for last in (False, False, True):
        status = str(client.status(remote)["status"])
        if status != "created":
            break
        try:
            client.start(remote)
        except RemoteError as error:
            # A lost answer, or one to a start of ours that was already taken: look before more.
            if last or not (error.passes or error.status in (403, 409)):
                raise
            progress.say(f"note: {error.message}; looking whether it started")
        else:
            break
    keeper.note(phase="started")
    progress.say(f"started {keeper.submission.label}")

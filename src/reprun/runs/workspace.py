"""The run directory around the steps: what stands there before them, what is written after."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reprun import __version__, data
from reprun.conditions.mounts import prepare
from reprun.digests import sha256_file
from reprun.documents.reading import edit_command
from reprun.documents.record import (
    REPORT_HTML,
    REPORT_JSON,
    EngineRecord,
    ImageRecord,
    RunRecord,
    StepRecord,
    this_host,
    write_record,
)
from reprun.engines.base import EngineStatus
from reprun.errors import InterruptedRunError, OutputMissingError, SpecificationError
from reprun.files import storage_errors
from reprun.images.ensure import ensure
from reprun.progress import Progress
from reprun.runs.cell import Cell
from reprun.runs.lock import LOCK
from reprun.runs.plan import Plan, what_to_run
from reprun.store import collection
from reprun.store.store import Store
from reprun.wording import listed, quoted
from reprun.workflow.rerun import Everything, Rerun, Steps
from reprun.workflow.snakemake import WorkflowOutcome, WorkflowRequest, snakemake_version


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cell whose workspace is ready for its steps."""

    cell: Cell
    last: RunRecord | None
    """The run whose outputs may be taken over; None where every step runs."""
    started: dt.datetime
    workflow: WorkflowRequest


def decide(cell: Cell, last: RunRecord | None, *, again: bool) -> Rerun:
    """Tell what has to run, by the content of inputs and outputs as they are now."""
    if again:
        return Everything("--again was given")
    now: dict[str, str | None] = {}
    for path in last.outputs if last else ():
        output = cell.workspace / path
        now[path] = sha256_file(output) if output.is_file() else None
    if cell.selection.data is not None:
        data.check_committed(cell.selection.data, cell.selection.directory)
    return what_to_run(cell.plan, last, now)


def prepare_workspace(
    cell: Cell,
    last: RunRecord | None,
    rerun: Steps,
    status: EngineStatus,
    cores: int,
    store: Store,
    progress: Progress,
) -> Prepared:
    """Bring data, conditions, images and code to where the steps expect them, all verified."""
    started = dt.datetime.now(dt.UTC)
    collection.register(store, cell.selection.directory / LOCK)
    files: tuple[data.ResolvedFile, ...] = ()
    if cell.selection.data is not None:
        data.refuse_unpinned(cell.selection.data, cell.selection.data_command("fetch"))
        files = data.resolve(cell.selection.data, cell.selection.directory, store, progress)
    mounts = prepare(cell.snapshots, cell.run_directory, store, progress)
    if cell.network:
        progress.say("note: not hermetic, the jobs have a network for their conditions")
    for image in cell.images.values():
        ensure(image, cell.catalogue, store, progress)
    for name in (REPORT_JSON, REPORT_HTML):
        # Until this run is judged there is no verdict: an old one would pass for its own.
        (cell.run_directory / name).unlink(missing_ok=True)
    if isinstance(rerun, Everything):
        # What an earlier run left could be taken for this one's, if this one stops half-way.
        last = None
        if cell.workspace.exists():
            shutil.rmtree(cell.workspace)
    _stage(cell, last, files, store)
    return Prepared(
        cell=cell,
        last=last,
        started=started,
        workflow=WorkflowRequest(
            workspace=cell.workspace,
            run_directory=cell.run_directory,
            snakefile=cell.selection.snakefile,
            images=cell.catalogue.directories,
            config=cell.plan.config,
            targets=cell.plan.targets,
            engine=status.name,
            cores=cores,
            rerun=rerun,
            mounts=[(mount.source, mount.target) for mount in mounts],
            network=cell.network,
        ),
    )


def finish(prepared: Prepared, status: EngineStatus, outcome: WorkflowOutcome) -> RunRecord:
    """Write the record of what ran; raise the error of a run that did not leave its outputs."""
    cell = prepared.cell
    record = _make_record(prepared, status, outcome)
    missing = [path for path in cell.plan.targets if path not in record.outputs]
    if record.status == "finished" and missing and outcome.error is None:
        record = record.model_copy(update={"status": "failed"})
    write_record(record, cell.run_directory)
    _raise_what_failed(cell, outcome, missing)
    return record


def _raise_what_failed(cell: Cell, outcome: WorkflowOutcome, missing: list[str]) -> None:
    if outcome.error is not None:
        if isinstance(outcome.error, SpecificationError) and outcome.error.hint is None:
            snakefile = cell.selection.directory / cell.selection.snakefile
            outcome.error.hint = edit_command(snakefile)
        raise outcome.error
    for step in outcome.steps:
        if not step.succeeded:
            from reprun.workflow.steps import failure_of  # noqa: PLC0415 - only on failure

            raise failure_of(step)
    if missing:
        raise OutputMissingError(
            f"the run left no {listed(missing)}, which analysis.yaml declares as output",
            place=str(cell.workspace),
            hint=f"less {quoted(cell.run_directory / 'snakemake.log')}",
        )


def _stage(
    cell: Cell,
    last: RunRecord | None,
    files: tuple[data.ResolvedFile, ...],
    store: Store,
) -> None:
    """Bring the workspace to hold exactly today's code and data, and earlier outputs."""
    wanted = {
        path: data.ResolvedFile(path, digest, cell.selection.directory / path)
        for path, digest in cell.lock.code.items()
    }
    wanted |= {file.path: file for file in files}
    if last is not None:
        stale = set(last.inputs.code)
        stale |= {path for paths in last.inputs.datasets.values() for path in paths}
        for path in stale - wanted.keys():
            (cell.workspace / path).unlink(missing_ok=True)
    with storage_errors(cell.workspace):
        data.stage(wanted, cell.workspace, store)


def _make_record(prepared: Prepared, status: EngineStatus, outcome: WorkflowOutcome) -> RunRecord:
    cell = prepared.cell
    steps = [
        step.model_copy(update={"log": os.path.relpath(step.log, cell.run_directory)})
        for step in outcome.steps
    ]
    state: Literal["finished", "failed", "interrupted"] = "finished"
    if outcome.error is not None or not all(step.succeeded for step in steps):
        state = "interrupted" if isinstance(outcome.error, InterruptedRunError) else "failed"
    kept = _kept_steps(prepared.last, steps, cell.plan)
    produced = [path for step in (*steps, *kept) for path in step.outputs]
    outputs = {}
    for path in dict.fromkeys([*produced, *cell.plan.targets]):
        found = cell.workspace / path
        if found.is_file():
            outputs[path] = sha256_file(found)
    image = cell.image
    return RunRecord(
        reprun_version=__version__,
        snakemake_version=snakemake_version(),
        analysis=cell.selection.analysis.name,
        variant=cell.selection.variant,
        dataset=cell.selection.dataset,
        tier=cell.selection.tier.name if cell.selection.tier else None,
        status=state,
        started=prepared.started,
        finished=dt.datetime.now(dt.UTC),
        command=tuple(sys.argv),
        inputs=cell.plan.inputs,
        engine=EngineRecord(name=status.name, version=status.version, unenforced=status.unenforced),
        image=ImageRecord(name=image.name, image_id=image.image_id, manifest=image.manifest),
        host=this_host(),
        deviations=cell.deviations,
        steps=(*kept, *steps),
        outputs=outputs,
        hermetic=not cell.network,
    )


def _kept_steps(
    last: RunRecord | None, steps: Sequence[StepRecord], plan: Plan
) -> list[StepRecord]:
    """Return the earlier run's steps whose outputs this run took over."""
    if last is None or last.inputs.images != plan.inputs.images:
        return []
    ran = {(step.rule, tuple(sorted(step.wildcards.items()))) for step in steps}
    return [
        step.model_copy(update={"kept": True})
        for step in last.steps
        if step.succeeded and (step.rule, tuple(sorted(step.wildcards.items()))) not in ran
    ]

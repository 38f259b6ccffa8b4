"""The one job: run an analysis in its image, on its data, and judge what came out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from reprun.documents.record import (
    EVALUATED_BY,
    REPORT_JSON,
    RunRecord,
    changed_reports,
    read_record,
)
from reprun.engines.base import ContainerEngine, EngineStatus
from reprun.engines.choose import EngineChoice, choose_engine
from reprun.engines.confinement import confinement
from reprun.engines.varied import varying
from reprun.errors import OutputMissingError, ReprunError
from reprun.files import sweep
from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified
from reprun.images.rootfs.unpack import is_unpacked
from reprun.progress import Progress
from reprun.runs.cell import Cell, load_cell
from reprun.runs.cell_images import with_images
from reprun.runs.directory import alone, take_over
from reprun.runs.lock import Difference, write_lock
from reprun.runs.remembering import Remembering, remember_run, remembered
from reprun.runs.request import RunRequest
from reprun.runs.workspace import VerifiedImages, decide, finish, prepare_workspace
from reprun.store import collection
from reprun.store.store import Store
from reprun.workflow.rerun import Everything, Nothing, Rerun, Rules, Steps
from reprun.workflow.snakemake import run_workflow

if TYPE_CHECKING:
    from reprun.report.model import Report


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What the user gets."""

    report: Report
    record: RunRecord
    directory: Path
    rerun: Rerun
    """Which steps ran, and why; or why none did."""
    lock_changes: tuple[Difference, ...]
    red: str | None = None
    """Since when its cell is red, and what changed then; None where it is not, or nobody knows."""


def run(request: RunRequest, store: Store, progress: Progress) -> RunOutcome:
    """Run an analysis as far as anything has changed, then compare it with its reference.

    The verdict is in `RunOutcome.report`: a difference is a result, not an error. Raises the
    errors of `reprun.errors` when the specification, an engine, a step, the data or the lock
    is at fault. The run record is written even then, once a step has been asked for.
    """
    with Remembering(request.selection.results, progress) as memory:
        with remembered(request.selection, None, memory):
            cell = load_cell(request, store)
        # What is remembered lies in the run directory: nobody else may write there meanwhile.
        with ExitStack() as stack:
            with remembered(cell.selection, cell, memory):
                held = stack.enter_context(alone(cell.run_directory, store, progress))
            with remembered(cell.selection, cell, memory):
                outcome = _outcome(cell, request, held, memory, store, progress)
            remember_run(cell.selection, cell, memory, ran=isinstance(outcome.rerun, Steps))
            if not outcome.report.reproduced:
                outcome = replace(outcome, red=memory.since(cell.selection))
    return outcome


def _outcome(
    cell: Cell,
    request: RunRequest,
    held: int,
    memory: Remembering,
    store: Store,
    progress: Progress,
) -> RunOutcome:
    cell = with_images(cell, relock=request.relock_images, store=store, progress=progress)
    take_over(cell.run_directory, store, progress)
    last = read_record(cell.run_directory)
    rerun = decide(cell, last, again=request.again)
    stored: Report | None = None
    match rerun:
        case Nothing():
            assert last is not None
            record, stored = last, stored_report(cell, last, progress)
        case Rules() | Everything():
            memory.begin([(cell.selection, cell.selection.chosen.image)])
            record = _run_steps(cell, last, rerun, request, held, store, progress)
        case _:
            assert_never(rerun)
    report = stored or judge_cell(cell, record, progress)
    sweep(cell.selection.directory)
    if request.update_lock:
        write_lock(cell.lock, cell.selection.directory)
    return RunOutcome(report, record, cell.run_directory, rerun, cell.lock_changes)


def _run_steps(
    cell: Cell,
    last: RunRecord | None,
    rerun: Steps,
    request: RunRequest,
    held: int,
    store: Store,
    progress: Progress,
) -> RunRecord:
    with collection.hold(store, cell.data_digests()):
        images = cell.images.values()
        engine, status, verified = ready_engine(request.engine, images, store, progress)
        cores = request.cores or len(os.sched_getaffinity(0))
        confined = confinement(store, trusted=request.trust_snakefile, progress=progress)
        prepared = prepare_workspace(cell, last, rerun, cores, held, confined, store, progress)
        varied = varying(engine, request.setting)
        outcome = run_workflow(prepared.workflow, varied, cores, store, progress)
        return finish(prepared, status, verified, outcome)


def ready_engine(
    name: EngineChoice,
    images: Iterable[Image],
    store: Store,
    progress: Progress,
) -> tuple[ContainerEngine, EngineStatus, VerifiedImages]:
    """Return the engine that will run the steps, and what was verified of the images, unpacked.

    Raises EngineError where none works, and IntegrityError for an image whose bytes changed.
    """
    unique = {image.image_id: image for image in images}.values()
    engine, status = checked_engine(name, unique, store, progress)
    verified = {image.name: prepared(engine, image, store, progress) for image in unique}
    return engine, status, verified


def prepared(
    engine: ContainerEngine, image: Image, store: Store, progress: Progress
) -> Verified | None:
    """Prepare an image, and return what the engine verified; the first time it takes a while."""
    if engine.name != "runc" or is_unpacked(image, store):
        return engine.prepare(image)
    with progress.task(f"unpacking image {image.name}", None, "layer"):
        return engine.prepare(image)


def checked_engine(
    name: EngineChoice,
    images: Iterable[Image],
    store: Store,
    progress: Progress,
) -> tuple[ContainerEngine, EngineStatus]:
    """Return the engine that will run the steps, as was said of it; EngineError if none works."""
    engine, status = choose_engine(name, store)
    names = ", ".join(dict.fromkeys(image.name for image in images))
    progress.say(f"engine: {status.name} {status.version}, image: {names}")
    for what in status.unenforced:
        progress.say(f"note: {status.name} cannot set a {what} on this host")
    return engine, status


def stored_report(cell: Cell, record: RunRecord, progress: Progress) -> Report | None:
    """Return the last verdict if what decided it still stands, and nobody changed its reports."""
    from reprun.report.model import read_report  # noqa: PLC0415

    if changed := changed_reports(record, cell.run_directory):
        progress.say(f"note: {changed[0]} was changed after the run; comparing again")
        return None
    try:
        report = read_report(cell.run_directory / REPORT_JSON)
    except OutputMissingError:
        return None
    if report.provenance.get(EVALUATED_BY) != cell.evaluated_by():
        return None
    return report.unchanged_since(record.finished)


def judge_cell(cell: Cell, record: RunRecord, progress: Progress) -> Report:
    """Hold the outputs of a finished run against the reference."""
    # numpy and jinja2 come with it: a run with nothing to do answers without them.
    from reprun.runs.judge import Outputs, judge  # noqa: PLC0415

    assert cell.store is not None  # only a cell that is planned has none
    outputs = Outputs(
        selection=cell.selection,
        directory=cell.outputs,
        run_directory=cell.run_directory,
        evaluated_by=cell.evaluated_by(),
        catalogue=cell.catalogue,
        snapshots=cell.snapshots,
        store=cell.store,
        progress=progress,
    )
    try:
        return judge(outputs, record)
    except ReprunError as error:
        show = cell.selection.about("show")
        error.hint = error.hint or f"{show}   # which outputs are compared, and how"
        from reprun.runs.failure import write_failure  # noqa: PLC0415 - only on failure

        write_failure(cell.selection, record, error)
        raise

"""The run directory around the steps: what lies there before them, what is kept after."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from reprun import __version__, data
from reprun.conditions.mounts import prepare
from reprun.digests import sha256_file
from reprun.documents.reading import WORDS, edit_command
from reprun.documents.record import (
    REPORTS,
    TRUSTED,
    EngineRecord,
    ImageRecord,
    ImageVerification,
    RunRecord,
    Sandbox,
    StepRecord,
    this_host,
    unread_record,
    write_record,
)
from reprun.engines.base import EngineStatus
from reprun.engines.confinement import Confinement
from reprun.errors import (
    IntegrityError,
    InterruptedRunError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
)
from reprun.files import make_directory, remove_tree, storage_errors, sync
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified
from reprun.progress import Progress
from reprun.runs.cell import Cell
from reprun.runs.elsewhere import bring_reference
from reprun.runs.kept_plan import keep_plan, kept_plan
from reprun.runs.lock import LOCK
from reprun.runs.plan import Plan, what_to_run
from reprun.runs.undeclared import with_undeclared
from reprun.store import collection
from reprun.store.store import Store
from reprun.wording import listed, quoted
from reprun.workflow.beneath import Beneath
from reprun.workflow.complaint import in_directory
from reprun.workflow.driver import snakemake_version
from reprun.workflow.evidence import (
    failed_of,
    inconsistencies,
    lack_of_steps,
    last_of_each,
    not_made,
)
from reprun.workflow.planned import WorkflowPlan
from reprun.workflow.rerun import Everything, Rerun, Rules, Steps
from reprun.workflow.snakemake import WorkflowOutcome, WorkflowRequest
from reprun.workflow.workspace import Given, Workspace

VerifiedImages = Mapping[str, Verified | None]
"""What an engine verified of images, by their names."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cell whose workspace is ready for its steps."""

    cell: Cell
    last: RunRecord | None
    """The run whose outputs may be taken over; None where every step runs."""
    started: dt.datetime
    workflow: WorkflowRequest
    cores: int


def decide(cell: Cell, last: RunRecord | None, *, again: bool) -> Rerun:
    """Tell what has to run, by the content of inputs and outputs as they are now."""
    if again:
        return Everything("--again was given")
    if last is None and (state := unread_record(cell.run_directory)) is not None:
        return Everything(f"the record of the last run is not read: {WORDS[state]}")
    now: dict[str, str | None] = {}
    if last is not None and last.outputs and cell.workspace.is_dir():
        workspace = Workspace(cell.workspace, Given(cell.inputs))
        for path, digest in last.outputs.items():
            copy = cell.outputs / path
            # Of a declared output both are looked at: what was compared, and what it came from.
            whole = path not in cell.plan.targets or (
                copy.is_file() and sha256_file(copy) == digest
            )
            now[path] = _digest(workspace, path) if whole else None
    if cell.selection.data is not None:
        data.check_committed(cell.selection.data, cell.selection.directory)
    return what_to_run(cell.plan, last, now)


def _digest(workspace: Workspace, path: str) -> str | None:
    try:
        return workspace.digest(path)
    except OutputMissingError:
        return None


def prepare_workspace(
    cell: Cell,
    last: RunRecord | None,
    rerun: Steps,
    cores: int,
    held: int,
    confined: Confinement,
    store: Store,
    progress: Progress,
) -> Prepared:
    """Bring data, conditions, images and code to where the steps expect them, all verified.

    `held` is the descriptor that holds the run directory.
    """
    started = dt.datetime.now(dt.UTC)
    selection = cell.selection
    for user in (selection.directory / LOCK, selection.project.root, selection.results):
        collection.register(store, user)
    bring_reference(selection.reference, store, progress)  # not only once all steps have run
    files: tuple[data.ResolvedFile, ...] = ()
    if cell.selection.data is not None:
        data.refuse_unpinned(cell.selection.data, cell.selection.data_command("fetch"))
        files = data.resolve(cell.selection.data, cell.selection.directory, store, progress)
    mounts = prepare(cell.snapshots, cell.run_directory, store, progress)
    if cell.network:
        progress.say("note: not hermetic, the jobs have a network for their conditions")
    for image in cell.images.values():
        ensure(image, cell.catalogue, store, progress)
    for name in REPORTS:
        # Until this run is judged there is no verdict: an old one would pass for its own.
        (cell.run_directory / name).unlink(missing_ok=True)
    if isinstance(rerun, Everything):
        # What an earlier run left could be taken for this one's, if this one stops half-way.
        last = None
        for directory in (cell.workspace, cell.inputs):
            if directory.exists():
                remove_tree(directory)
    with storage_errors(cell.workspace):
        cell.workspace.mkdir(exist_ok=True)
        given = _stage(cell, files, store)
    plan: WorkflowPlan | None = None
    if isinstance(rerun, Rules):
        plan = kept_plan(cell, given, cores, confined)
        rerun = _with_other_commands(rerun, plan, last)
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
            given=given,
            confined=confined,
            rerun=rerun,
            plan=plan,
            mounts=[(mount.source, mount.target) for mount in mounts],
            network=cell.network,
            keeps=(held,),
        ),
        cores=cores,
    )


def _with_other_commands(rerun: Rules, plan: WorkflowPlan, last: RunRecord | None) -> Rules:
    """Add the rules whose commands are no longer those of the last run, as with other cores."""
    ran = last_of_each(last.steps if last else ())
    changed = {
        step.rule
        for step in plan.steps
        if step.key in ran and not step.may_run(ran[step.key].command)
    }
    return replace(rerun, names=tuple(sorted({*rerun.names, *changed})))


def finish(
    prepared: Prepared, status: EngineStatus, verified: VerifiedImages, outcome: WorkflowOutcome
) -> RunRecord:
    """Write the record of what ran; raise the error of a run that did not leave its outputs.

    That it has finished follows from the records of its steps and the digests of its files.
    """
    cell = prepared.cell
    workspace = Workspace(cell.workspace, prepared.workflow.given)
    kept, unplanned = _earlier_steps(prepared.last, outcome, cell.plan)
    steps = tuple(last_of_each((*kept, *outcome.steps)).values())
    _remove_what_none_made(unplanned, steps, workspace)
    error = outcome.error or _failure(steps)
    if outcome.error is not None:
        in_directory(outcome.error, cell.selection.directory)
    if isinstance(outcome.error, SpecificationError) and outcome.error.hint is None:
        snakefile = cell.selection.directory / cell.selection.snakefile
        outcome.error.hint = edit_command(snakefile)
    if error is not None:
        error = with_undeclared(error, cell.selection, prepared.workflow.given.digests)
    else:
        error = _lack(cell, outcome, steps, workspace)
    outputs = _outputs(cell, steps, workspace)
    if error is None:
        error = _collect(cell, outputs)
    record = _make_record(prepared, status, verified, (*kept, *outcome.steps), outputs, error)
    write_record(record, cell.run_directory)
    if outcome.plan is not None:
        keep_plan(cell, prepared.cores, outcome.plan)
    if error is not None:
        from reprun.runs.failure import write_failure  # noqa: PLC0415 - only on failure

        write_failure(cell.selection, record, error)
        raise error
    return record


def _failure(steps: Sequence[StepRecord]) -> ReprunError | None:
    """Return the error of a step that failed in its last try."""
    for step in failed_of(steps):
        from reprun.workflow.steps import failure_of  # noqa: PLC0415 - only on failure

        return failure_of(step)
    return None


def _lack(
    cell: Cell, outcome: WorkflowOutcome, steps: Sequence[StepRecord], workspace: Workspace
) -> ReprunError | None:
    """Return the error of a run of which not every step has run, or not on the same files."""
    log = cell.run_directory / "snakemake.log"
    again = cell.selection.command("run", "--again")
    plan = outcome.last_plan
    if (lack := lack_of_steps(plan, steps, str(log), again)) is not None or plan is None:
        return lack
    if missing := list(not_made(cell.plan.targets, steps)):
        return OutputMissingError(
            f"no step of the Snakefile makes {listed(missing)}, which analysis.yaml declares as "
            "output",
            place=str(cell.workspace),
            hint=f"less {quoted(log)}",
        )
    try:
        odd = next(inconsistencies(plan, steps, workspace.digest), None)
    except OutputMissingError as error:
        return error
    if odd is not None:
        return IntegrityError(
            f"{odd}: a file must be the same for the step that writes it and for all that read it",
            place=str(cell.workspace),
            hint=again,
        )
    return None


def _outputs(cell: Cell, steps: Sequence[StepRecord], workspace: Workspace) -> dict[str, str]:
    """Return the digest of every file that a step declares and that is there."""
    produced = [path for step in steps for path in step.outputs]
    found = {}
    for path in dict.fromkeys([*produced, *cell.plan.targets]):
        digest = _digest(workspace, path)
        if digest is not None:
            found[path] = digest
    return found


def _collect(cell: Cell, digests: Mapping[str, str]) -> ReprunError | None:
    """Copy the declared outputs to where no step can write; return why that cannot be.

    What is compared, shown and blessed afterwards are the copies.
    """
    home = cell.outputs
    with storage_errors(home), Beneath(cell.workspace) as workspace:
        if home.exists():
            remove_tree(home)
        for path in cell.plan.targets:
            target = home / path
            make_directory(target.parent)
            try:
                if workspace.copy(path, target) != digests.get(path):
                    return IntegrityError(f"{path} changed after the run had ended")
            except OutputMissingError as error:
                said = f"the output {error.message}"
                return OutputMissingError(said, place=error.place, hint=error.hint)
            sync(target.parent)
    return None


def _stage(cell: Cell, files: Sequence[data.ResolvedFile], store: Store) -> Given:
    """Bring exactly today's code and data to where steps find them, and nothing else."""
    wanted = {
        path: data.ResolvedFile(path, digest, cell.selection.directory / path)
        for path, digest in cell.lock.code.items()
    }
    wanted |= {file.path: file for file in files}
    cell.inputs.mkdir(exist_ok=True)
    data.stage(wanted, cell.inputs, store)
    return Given(cell.inputs, {path: file.digest for path, file in wanted.items()})


def _make_record(
    prepared: Prepared,
    status: EngineStatus,
    verified: VerifiedImages,
    steps: Sequence[StepRecord],
    outputs: Mapping[str, str],
    error: ReprunError | None,
) -> RunRecord:
    cell = prepared.cell
    state: Literal["finished", "failed", "interrupted"] = "finished"
    if error is not None:
        state = "interrupted" if isinstance(error, InterruptedRunError) else "failed"
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
        verified=as_recorded(verified, cell.images.values()),
        host=this_host(),
        deviations=cell.deviations,
        steps=tuple(_as_recorded(step, cell.run_directory) for step in steps),
        outputs=outputs,
        hermetic=not cell.network,
        sandbox=_sandbox(prepared, steps),
    )


def _sandbox(prepared: Prepared, steps: Sequence[StepRecord]) -> Sandbox | None:
    """Return what confined Snakemake, and the one that asked for the steps that were taken over.

    A Snakefile that was trusted once could write whatever is taken over from that run.
    """
    last = prepared.last
    if last is not None and last.sandbox == TRUSTED and any(step.kept for step in steps):
        return last.sandbox
    return prepared.workflow.confined.sandbox


def as_recorded(verified: VerifiedImages, images: Iterable[Image]) -> dict[str, ImageVerification]:
    """Return what was verified of the images of a run, for its record."""
    found = {image.name: verified.get(image.name) for image in images}
    return {
        name: ImageVerification(**asdict(each)) for name, each in found.items() if each is not None
    }


def _as_recorded(step: StepRecord, run_directory: Path) -> StepRecord:
    return step.model_copy(update={"log": os.path.relpath(run_directory / step.log, run_directory)})


def _earlier_steps(
    last: RunRecord | None, outcome: WorkflowOutcome, plan: Plan
) -> tuple[list[StepRecord], list[StepRecord]]:
    """Return the earlier run's steps whose outputs this run took over, and those it does not plan.

    The latter were planned by a checkpoint that now plans others. That is known only where
    Snakemake went to its end: before a checkpoint has run, all behind it is unplanned.
    """
    if last is None or last.inputs.images != plan.inputs.images:
        return [], []
    ran = last_of_each(outcome.steps)
    earlier = [
        step.model_copy(update={"kept": True})
        for step in last.steps
        if step.succeeded and step.key not in ran
    ]
    if outcome.error is not None or outcome.last_plan is None:
        return earlier, []
    planned = {step.key for step in outcome.last_plan.steps}
    return (
        [step for step in earlier if step.key in planned],
        [step for step in earlier if step.key not in planned],
    )


def _remove_what_none_made(
    unplanned: Sequence[StepRecord], steps: Sequence[StepRecord], workspace: Workspace
) -> None:
    """Remove outputs of which no record is kept: to Snakemake they would be up to date."""
    made = {path for step in steps for path in step.outputs}
    workspace.remove([path for step in unplanned for path in step.outputs if path not in made])

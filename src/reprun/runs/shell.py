"""A shell, or a command, where a step ran: its image, mounts and limits on a copy of its files."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprun.conditions.mounts import check_revision, mounts_of
from reprun.documents.record import RunRecord, StepRecord
from reprun.documents.selection import Selection
from reprun.engines.base import (
    MIB,
    ContainerJob,
    ContainerResult,
    Mount,
    Output,
)
from reprun.engines.choose import EngineChoice, choose_engine
from reprun.errors import EngineError, SpecificationError
from reprun.files import scratch, storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Progress
from reprun.runs.directory import INPUTS, WORKSPACE, alone
from reprun.runs.last_steps import last_record, steps_called
from reprun.runs.lock import snapshots_of
from reprun.runs.run import prepared
from reprun.store.store import Store
from reprun.wording import listed, quoted
from reprun.workflow.beneath import Beneath
from reprun.workflow.evidence import failed_of, last_of_each
from reprun.workflow.steps import Step, container_of, written_by
from reprun.workflow.workspace import Given, Workspace

INTERACTIVE = ("bash", "--norc", "--noprofile", "-i")
PROMPT = r"reprun:\w> "


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """What the user asked for."""

    selection: Selection
    step: str | None = None
    """Its name or rule. Without one: the step that failed, else the last that ran."""
    command: Sequence[str] = ()
    """Without one there is a shell on the terminal of this process."""
    engine: EngineChoice = "auto"


def step_meant(request: ShellRequest, record: RunRecord) -> StepRecord:
    """Return the one step that is meant; raise SpecificationError where a rule has several."""
    if request.step is None:
        return [*last_of_each(record.steps).values(), *failed_of(record.steps)[:1]][-1]
    found = steps_called(request.selection, record, request.step)
    if len(found) > 1:
        names = [one.name for one in found]
        raise SpecificationError(
            f"rule {request.step} has {len(found)} steps: {listed(names, most=10)}",
            hint=request.selection.command("shell", quoted(names[0])),
        )
    return found[0]


def run_in_step(
    request: ShellRequest, store: Store, progress: Progress, *, stdout: Output, stderr: Output
) -> tuple[StepRecord, ContainerResult]:
    """Run a command, or a shell for somebody who types, where a step ran; return how it ended.

    It works on a copy that is dropped at the end, without network. Raises SpecificationError where
    nothing has run here, EngineError for an engine that has no terminal, and the errors of the
    image.
    """
    selection = request.selection
    record = last_record(selection)
    step = step_meant(request, record)
    catalogue = Catalogue.of(selection.project)
    image = ensure(step.image, catalogue, store, progress)
    engine, _ = choose_engine(request.engine, store)
    if not request.command and not engine.converses:
        raise EngineError(
            f"{engine.name} gives a step no terminal here",
            hint=selection.command("shell", "--engine runc"),
        )
    prepared(engine, image, store, progress)
    with _copied(selection, record, store, progress) as workspace:
        progress.say(
            f"step {step.name} in {image.name}, without network, on a copy of its workspace: "
            "what is written here is dropped at the end"
        )
        with _job(request, step, image, workspace) as job:
            result = engine.run(job, stdout=stdout, stderr=stderr, cancel=threading.Event())
    return step, result


@contextmanager
def _copied(
    selection: Selection, record: RunRecord, store: Store, progress: Progress
) -> Iterator[Workspace]:
    """Yield a workspace like that of a run, as it is now, with what the run was given.

    The run directory is held only while it is copied: a run may start while a shell is open.
    """
    home = selection.run_directory
    given = {
        **record.inputs.code,
        **{
            path: digest
            for each in record.inputs.datasets.values()
            for path, digest in each.items()
        },
    }
    with scratch(home) as place, storage_errors(place):
        with alone(home, store, progress), Beneath(home) as run:
            run.duplicate(WORKSPACE, place / WORKSPACE)
            run.mirror(INPUTS, place / INPUTS)
        workspace = Workspace(place / WORKSPACE, Given(place / INPUTS, given))
        workspace.lay_out()
        yield workspace


@contextmanager
def _job(
    request: ShellRequest, record: StepRecord, image: Image, workspace: Workspace
) -> Iterator[ContainerJob]:
    """Yield the container of a step with another command in it."""
    step = Step(
        rule=record.rule,
        job=record.job,
        command=shlex.join(request.command),
        image=image,
        inputs=tuple(record.inputs),
        outputs=tuple(record.outputs),
        cpus=record.cpus,
        memory_mb=record.memory_limit_bytes // MIB,
        strict=False,
    )
    selection = request.selection
    snapshots = snapshots_of(selection, selection.conditions)
    for snapshot in snapshots.values():
        if snapshot.kind == "cvmfs":  # what is mounted is what it names, on this machine
            check_revision(snapshot)
    conditions = mounts_of(snapshots, selection.run_directory)
    views: Path = workspace.root.parent / "views"
    written = written_by(step)
    with Beneath(workspace.root) as copy:
        for path in written:  # as Snakemake does before a step
            if path.parent.parts:
                copy.make_directory(str(path.parent))
    with workspace.views(step.inputs, written, views) as viewed:
        job = container_of(
            step,
            workspace.root,
            workspace.given,
            [Mount(one.source, one.target) for one in conditions],
            viewed,
        )
        if not request.command:
            typed = {"PS1": PROMPT, "TERM": "xterm"}
            job = replace(job, argv=INTERACTIVE, environment=typed, terminal=True)
        yield job

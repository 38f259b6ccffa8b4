"""The one job: run an analysis in its image, on its data, and judge what came out."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reprun import __version__, data, keeping
from reprun.backends.local import WorkflowOutcome, WorkflowRequest, run_workflow, snakemake_version
from reprun.conditions.mounts import prepare, refuse_network
from reprun.conditions.snapshot import Snapshot
from reprun.digests import canonical_json, sha256_bytes, sha256_file
from reprun.documents import Scalar
from reprun.engines.base import EngineStatus
from reprun.engines.choose import EngineName, choose_engine
from reprun.errors import (
    InputsGoneError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
    StorageError,
)
from reprun.images.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.layout import is_stored
from reprun.images.model import Image
from reprun.lock import (
    LOCK,
    AnalysisLock,
    Difference,
    enforce_lock,
    snapshots_of,
    write_lock,
)
from reprun.manifest import Dataset
from reprun.plan import Again, Plan, make_plan, what_to_run
from reprun.progress import Progress
from reprun.project import Project
from reprun.record import (
    JUDGED_BY,
    REPORT_HTML,
    REPORT_JSON,
    EngineRecord,
    ImageRecord,
    RunRecord,
    StepRecord,
    read_record,
    this_host,
    write_record,
)
from reprun.spec import Analysis, check_name, load_analysis
from reprun.store import Store, make_directory, storage_errors

if TYPE_CHECKING:
    from reprun.report.model import Report


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    analysis: str
    variant: str | None = None
    dataset: str | None = None
    parameters: Mapping[str, Scalar] | None = None
    engine: EngineName | Literal["auto"] = "auto"
    cores: int | None = None
    results: Path = Path("results")
    update_lock: bool = False
    allow_network: bool = False
    """Let conditions come over a network: what is not locked, and so not hermetic."""
    again: bool = False
    """Run every step, changed or not."""
    relock_images: bool = False
    """Where locked inputs of the image are gone, build one like it and say so."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What the user gets."""

    report: Report
    record: RunRecord
    directory: Path
    ran: bool
    reason: str
    """Why steps ran, or why none did."""
    lock_changes: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Everything that is known before anything runs."""

    directory: Path
    analysis: Analysis
    lock: AnalysisLock
    lock_changes: tuple[Difference, ...]
    dataset: Dataset | None
    catalogue: Catalogue
    image: Image
    plan: Plan
    snapshots: Mapping[Path, Snapshot]
    """Conditions by the directory they lie in."""
    network: bool
    run_directory: Path
    deviations: tuple[str, ...] = ()
    """What is not as locked, though it runs: each a sentence for the verdict."""

    @property
    def workspace(self) -> Path:
        return self.run_directory / "workspace"

    @property
    def reference(self) -> Path:
        return self.directory / self.analysis.reference

    def data_digests(self) -> list[str]:
        """The files of the store that a run uses."""
        files = list(self.dataset.files) if self.dataset else []
        files += [file for snapshot in self.snapshots.values() for file in snapshot.files]
        return [file.digest for file in files]

    def judged_by(self) -> str:
        """Digest of what decides the verdict besides the outputs."""
        part = [dict(self.lock.reference), dict(self.lock.specification), __version__]
        return sha256_bytes(canonical_json(part))


def run(request: RunRequest, store: Store, progress: Progress) -> RunOutcome:
    """Run an analysis as far as anything has changed, then compare it with its reference.

    The verdict is in `RunOutcome.report`: a difference is a result, not an error. Raises the
    errors of `reprun.errors` when the specification, an engine, a step, the data or the lock
    is at fault. The run record is written even then, once a step has been asked for.
    """
    loaded = _load(request)
    with _alone(loaded.run_directory):
        if not is_stored(loaded.image, store):
            loaded = _with_image(loaded, request, store, progress)
        last = read_record(loaded.run_directory)
        again = _what_to_run(loaded, last, request)
        if again.nothing and last is not None:
            stored = _stored_report(loaded)
            if stored is not None:
                if request.update_lock:
                    write_lock(loaded.lock, loaded.directory)
                return RunOutcome(
                    stored, last, loaded.run_directory, False, again.reason, loaded.lock_changes
                )
            record = last
        else:
            with keeping.hold(store, loaded.data_digests()):
                record = _run_steps(loaded, last, again, request, store, progress)
        report = _judge(loaded, record)
        if request.update_lock:
            write_lock(loaded.lock, loaded.directory)
    return RunOutcome(
        report,
        record,
        loaded.run_directory,
        not again.nothing,
        again.reason,
        loaded.lock_changes,
    )


def _load(request: RunRequest) -> _Loaded:
    project = Project.find()
    directory = project.analysis_directory(request.analysis)
    analysis = load_analysis(directory)
    check_name(analysis, directory)
    catalogue = Catalogue(project.images)
    _, variant = analysis.variant(request.variant)
    picked = analysis.dataset(request.dataset)
    lock, changes = enforce_lock(analysis, directory, catalogue, update=request.update_lock)
    image = catalogue.locked(variant.image)
    plan = make_plan(
        analysis,
        lock,
        image,
        variant=request.variant,
        dataset=request.dataset,
        parameters=request.parameters,
    )
    snapshots = snapshots_of(directory, analysis.conditions_of(request.variant))
    return _Loaded(
        directory=directory,
        analysis=analysis,
        lock=lock,
        lock_changes=tuple(changes),
        dataset=picked[1] if picked else None,
        catalogue=catalogue,
        image=image,
        plan=plan,
        snapshots=snapshots,
        network=refuse_network(snapshots, analysis.name, allowed=request.allow_network),
        run_directory=run_directory_of(analysis, request.variant, request.dataset, request.results),
    )


def _with_image(loaded: _Loaded, request: RunRequest, store: Store, progress: Progress) -> _Loaded:
    """Fetch and build the image; where its inputs are gone and the user agrees, one like it."""
    try:
        ensure(loaded.image, loaded.catalogue, store, progress)
    except InputsGoneError as error:
        name = loaded.analysis.name
        if not request.relock_images:
            hint = f"reprun run {name} --relock-images   # another image, and the verdict says so"
            raise InputsGoneError(error.message, place=error.place, hint=hint) from error
        progress.say(error.message)
    else:
        return loaded
    from reprun.images.relock import relock  # noqa: PLC0415 - only when inputs are gone

    relocked = relock(loaded.image.name, loaded.catalogue, store, progress)
    plan = make_plan(
        loaded.analysis,
        loaded.lock,
        relocked.image,
        variant=request.variant,
        dataset=request.dataset,
        parameters=request.parameters,
    )
    return replace(
        loaded,
        image=relocked.image,
        catalogue=relocked.catalogue,
        plan=plan,
        deviations=(relocked.sentence(),),
    )


def run_directory_of(
    analysis: Analysis, variant: str | None, dataset: str | None, results: Path
) -> Path:
    """Return where an analysis runs: `results/<analysis>/<variant>.<dataset>`."""
    variant_name, _ = analysis.variant(variant)
    picked = analysis.dataset(dataset)
    name = variant_name if picked is None else f"{variant_name}.{picked[0]}"
    return (results / analysis.name / name).resolve()


@contextmanager
def _alone(run_directory: Path) -> Iterator[None]:
    """Hold the run directory against a second run; a kill releases it."""
    with storage_errors(run_directory):
        make_directory(run_directory)
        with (run_directory / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    "another reprun is running this analysis here",
                    place=str(run_directory),
                    hint="wait for it, or give --results another directory",
                ) from error
            yield


def _what_to_run(loaded: _Loaded, last: RunRecord | None, request: RunRequest) -> Again:
    if request.again:
        return Again(nothing=False, everything=True, rules=(), reason="--again was given")
    now: dict[str, str | None] = {}
    for path in last.outputs if last else ():
        output = loaded.workspace / path
        now[path] = sha256_file(output) if output.is_file() else None
    if loaded.dataset is not None:
        data.check_committed(loaded.dataset, loaded.directory)
    return what_to_run(loaded.plan, last, now)


def _run_steps(
    loaded: _Loaded,
    last: RunRecord | None,
    again: Again,
    request: RunRequest,
    store: Store,
    progress: Progress,
) -> RunRecord:
    started = dt.datetime.now(dt.UTC)
    keeping.register(store, loaded.directory / LOCK)
    files: tuple[data.ResolvedFile, ...] = ()
    if loaded.dataset is not None:
        files = data.resolve(loaded.dataset, loaded.directory, store, progress)
    mounts = prepare(loaded.snapshots, loaded.run_directory, store, progress)
    if loaded.network:
        progress.say("note: not hermetic, the jobs have a network for their conditions")
    image = ensure(loaded.image, loaded.catalogue, store, progress)
    engine, status = choose_engine(request.engine, store)
    for name in engine.sweep():
        progress.say(f"removed container {name}, left by a run that was killed")
    progress.say(f"engine: {status.name} {status.version}, image: {image.name}")
    for what in status.unenforced:
        progress.say(f"note: {status.name} cannot set a {what} on this host")
    engine.prepare(image)
    for name in (REPORT_JSON, REPORT_HTML):
        # Until this run is judged there is no verdict: an old one would pass for its own.
        (loaded.run_directory / name).unlink(missing_ok=True)
    if again.everything:
        # What an earlier run left could be taken for this one's, if this one stops half-way.
        last = None
        if loaded.workspace.exists():
            shutil.rmtree(loaded.workspace)
    _stage(loaded, last, files, store)
    outcome = run_workflow(
        WorkflowRequest(
            workspace=loaded.workspace,
            run_directory=loaded.run_directory,
            snakefile=loaded.plan.snakefile,
            images=loaded.catalogue.directory,
            config=loaded.plan.config,
            targets=loaded.plan.targets,
            engine=status.name,
            cores=request.cores or len(os.sched_getaffinity(0)),
            force_all=again.everything,
            force_rules=again.rules,
            mounts=[(mount.source, mount.target) for mount in mounts],
            network=loaded.network,
        ),
        progress,
    )
    record = _make_record(loaded, last, started, image, status, outcome)
    missing = [path for path in loaded.plan.targets if path not in record.outputs]
    if record.status == "finished" and missing and outcome.error is None:
        record = record.model_copy(update={"status": "failed"})
    write_record(record, loaded.run_directory)
    _raise_what_failed(loaded, outcome, missing)
    return record


def _raise_what_failed(loaded: _Loaded, outcome: WorkflowOutcome, missing: list[str]) -> None:
    """Raise the error of a run that has not left all its outputs."""
    if outcome.error is not None:
        if isinstance(outcome.error, SpecificationError) and outcome.error.hint is None:
            snakefile = loaded.directory / loaded.plan.snakefile
            outcome.error.hint = f"${{EDITOR:-vi}} {snakefile}"
        raise outcome.error
    for step in outcome.steps:
        if not step.succeeded:
            from reprun.backends.steps import failure_of  # noqa: PLC0415 - only on failure

            raise failure_of(step)
    if missing:
        raise OutputMissingError(
            f"the run left no {', '.join(missing)}, which analysis.yaml declares as output",
            place=str(loaded.workspace),
            hint=f"less {loaded.run_directory / 'snakemake.log'}",
        )


def _stage(
    loaded: _Loaded,
    last: RunRecord | None,
    files: tuple[data.ResolvedFile, ...],
    store: Store,
) -> None:
    """Bring the workspace to hold exactly today's code and data, and earlier outputs."""
    wanted = {
        path: data.ResolvedFile(path, digest, loaded.directory / path)
        for path, digest in loaded.lock.code.items()
    }
    wanted |= {file.path: file for file in files}
    if last is not None:
        stale = set(last.inputs.code)
        stale |= {path for paths in last.inputs.datasets.values() for path in paths}
        for path in stale - wanted.keys():
            (loaded.workspace / path).unlink(missing_ok=True)
    with storage_errors(loaded.workspace):
        data.stage(wanted, loaded.workspace, store)


def _make_record(
    loaded: _Loaded,
    last: RunRecord | None,
    started: dt.datetime,
    image: Image,
    status: EngineStatus,
    outcome: WorkflowOutcome,
) -> RunRecord:
    steps = [
        step.model_copy(update={"log": os.path.relpath(step.log, loaded.run_directory)})
        for step in outcome.steps
    ]
    state: Literal["finished", "failed", "interrupted"] = "finished"
    if outcome.error is not None or not all(step.succeeded for step in steps):
        state = "interrupted" if _was_interrupted(outcome.error) else "failed"
    produced = [path for step in steps for path in step.outputs]
    kept = _kept_steps(last, steps, loaded.plan)
    produced += [path for step in kept for path in step.outputs]
    outputs = {}
    for path in dict.fromkeys([*produced, *loaded.plan.targets]):
        found = loaded.workspace / path
        if found.is_file():
            outputs[path] = sha256_file(found)
    return RunRecord(
        reprun_version=__version__,
        snakemake_version=snakemake_version(),
        analysis=loaded.analysis.name,
        variant=loaded.plan.variant,
        dataset=loaded.plan.dataset,
        status=state,
        started=started,
        finished=dt.datetime.now(dt.UTC),
        command=tuple(sys.argv),
        inputs=loaded.plan.inputs,
        engine=EngineRecord(name=status.name, version=status.version, unenforced=status.unenforced),
        image=ImageRecord(name=image.name, image_id=image.image_id, manifest=image.manifest),
        host=this_host(),
        deviations=loaded.deviations,
        steps=(*kept, *steps),
        outputs=outputs,
        hermetic=not loaded.network,
    )


def _was_interrupted(error: ReprunError | None) -> bool:
    return error is not None and error.exit_code == 130


def _kept_steps(last: RunRecord | None, steps: list[StepRecord], plan: Plan) -> list[StepRecord]:
    """Return the earlier run's steps whose outputs this run took over."""
    if last is None or last.inputs.images != plan.inputs.images:
        return []
    ran = {(step.rule, tuple(sorted(step.wildcards.items()))) for step in steps}
    return [
        step.model_copy(update={"kept": True})
        for step in last.steps
        if step.succeeded and (step.rule, tuple(sorted(step.wildcards.items()))) not in ran
    ]


def _stored_report(loaded: _Loaded) -> Report | None:
    """Return the last verdict if what decided it still stands."""
    from reprun.report.model import read_report  # noqa: PLC0415

    path = loaded.run_directory / REPORT_JSON
    try:
        report = read_report(path.read_text(encoding="utf-8"), str(path))
    except (OSError, OutputMissingError):
        return None
    return report if report.provenance.get(JUDGED_BY) == loaded.judged_by() else None


def _judge(loaded: _Loaded, record: RunRecord) -> Report:
    # numpy, uproot and jinja2 come with it: a run with nothing to do answers without them.
    from reprun.judge import Outputs, judge  # noqa: PLC0415

    outputs = Outputs(
        analysis=loaded.analysis,
        workspace=loaded.workspace,
        run_directory=loaded.run_directory,
        reference=loaded.reference,
        judged_by=loaded.judged_by(),
    )
    try:
        return judge(outputs, record)
    except ReprunError as error:
        name = loaded.analysis.name
        error.hint = error.hint or f"reprun show {name}   # which outputs are compared, and how"
        raise

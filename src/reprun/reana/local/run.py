"""A REANA project run from nothing on this machine, and judged by its outputs and own tests."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reprun import __version__
from reprun.digests import sha256_file
from reprun.documents.reading import Scalar
from reprun.documents.record import (
    RECORD,
    REPORT_HTML,
    REPORT_JSON,
    TRUSTED,
    EngineRecord,
    ImageRecord,
    Inputs,
    RunRecord,
    this_host,
    write_record,
)
from reprun.engines.base import EngineStatus
from reprun.engines.choose import EngineChoice
from reprun.engines.confinement import confinement
from reprun.errors import (
    InterruptedRunError,
    NothingToCompareError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
)
from reprun.files import write_atomically
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.progress import Progress
from reprun.reana.local.acceptance import Judged, judge_features, reader, refuse_unknown
from reprun.reana.local.evidence import Evidence, job_of
from reprun.reana.local.gherkin import Feature, read_feature
from reprun.reana.local.images import parse_image_map
from reprun.reana.local.page import render_page
from reprun.reana.local.parameters import as_scalars, parameters_for
from reprun.reana.local.report import ProjectReport, make_report
from reprun.reana.local.specification import ReanaProject, read_project
from reprun.reana.local.staging import Staged, stage
from reprun.reana.local.workflows import (
    Ended,
    Place,
    Prepared,
    prepare_serial,
    prepare_snakemake,
    refuse_resources,
    run_serial,
    run_snakemake,
)
from reprun.runs.directory import alone
from reprun.runs.run import ready_engine
from reprun.runs.workspace import as_recorded
from reprun.store.store import Store
from reprun.wording import quoted
from reprun.workflow.evidence import failed_of
from reprun.workflow.steps import failure_of

ALWAYS = "every step ran: a REANA project has no lock to tell what changed"


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """What the user asked for."""

    path: Path
    image_map: Sequence[str] = ()
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    skip_scenarios: Sequence[str] = ()
    engine: EngineChoice = "auto"
    cores: int | None = None
    results: Path = Path("results")
    trust_snakefile: bool = False


@dataclass(frozen=True, slots=True)
class ProjectOutcome:
    """What the user gets."""

    report: ProjectReport
    record: RunRecord
    directory: Path


def run_project(
    request: ProjectRequest, catalogue: Catalogue, store: Store, progress: Progress
) -> ProjectOutcome:
    """Run a project and evaluate it. Every run starts from nothing.

    Images of the catalogue stand in for those that the image map names.

    Record and report are written however it ends, once a step has run. Raises StepFailedError
    and OutputMissingError then, NothingToCompareError where there was nothing to check, and
    before anything runs SpecificationError for what cannot.
    """
    project = read_project(request.path)
    refuse_resources(project)
    features = _features(project)
    names = [scenario.name for feature in features for scenario in feature.scenarios]
    refuse_unknown(request.skip_scenarios, names)
    tests_read_by = reader()
    run_directory = run_directory_of(project, request.results)
    parameters = parameters_for(project, request.parameters)
    images = parse_image_map(request.image_map)
    with alone(run_directory, store, progress) as held:
        for stale in (RECORD, REPORT_JSON, REPORT_HTML):
            (run_directory / stale).unlink(missing_ok=True)
        workspace = run_directory / "workspace"
        staged = stage(project, workspace)
        for note in staged.notes:
            progress.say(f"note: {note}")
        confined = confinement(store, trusted=request.trust_snakefile, progress=progress)
        prepared = (
            prepare_serial(project, images, catalogue)
            if project.type == "serial"
            else prepare_snakemake(
                project, images, catalogue, staged.files, workspace, parameters, confined
            )
        )
        for chosen in prepared.images:
            ensure(chosen.image, catalogue, store, progress)
            if chosen.deviation:
                progress.say(f"deviation: {chosen.deviation}")
        used = [chosen.image for chosen in prepared.images]
        engine, status, verified = ready_engine(request.engine, used, store, progress)
        cores = request.cores or len(os.sched_getaffinity(0))
        where = Place(run_directory, held, engine, confined, store, cores, parameters)
        started = dt.datetime.now(dt.UTC)
        ended = (
            run_serial(project, prepared, where, progress)
            if project.type == "serial"
            else run_snakemake(project, prepared, catalogue, where, progress)
        )
        finished = dt.datetime.now(dt.UTC)
        evidence = _evidence(project, ended, where, (started, finished))
        record = _record(request, project, prepared, staged, evidence, ended, where, status)
        record = record.model_copy(update={"verified": as_recorded(verified, used)})
        write_record(record, run_directory)
        if ended.outcome.error is not None:
            raise ended.outcome.error
        judged = judge_features(features, evidence, request.skip_scenarios)
        report = make_report(
            project,
            record,
            ended.names,
            evidence,
            judged,
            tests_read_by=tests_read_by,
            notes=_notes(prepared, staged, record, judged),
        )
        place = run_directory / REPORT_JSON
        write_atomically(place, (report.model_dump_json(indent=1) + "\n").encode())
        page = render_page(report, evidence)
        write_atomically(run_directory / REPORT_HTML, page.encode())
    try:
        _raise_what_failed(report, record, run_directory)
    except ReprunError as error:
        error.page = run_directory / REPORT_HTML
        raise
    return ProjectOutcome(report, record, run_directory)


def run_directory_of(project: ReanaProject, results: Path) -> Path:
    """Return where a project runs: `results/<directory>/<name of its YAML file>`."""
    name = re.sub(r"[^\w.-]+", "_", project.name) or "project"
    return results.resolve() / name / project.path.stem


def _features(project: ReanaProject) -> list[Feature]:
    features = []
    for number, name in enumerate(project.specification.tests.files):
        path = project.directory / name
        if not path.is_file():
            raise SpecificationError(
                f"tests.files names {name}, which is not a file of the project",
                place=project.place("tests", "files", number),
            )
        features.append(read_feature(path))
    return features


def _evidence(
    project: ReanaProject, ended: Ended, where: Place, times: tuple[dt.datetime, dt.datetime]
) -> Evidence:
    steps = ended.outcome.steps
    good = ended.outcome.error is None and not failed_of(steps)
    return Evidence(
        status="finished" if good else "failed",
        workspace=where.workspace,
        outputs=project.specification.outputs,
        jobs=[job_of(step, name) for step, name in zip(steps, ended.names, strict=True)],
        engine_log=ended.engine_log,
        started=times[0],
        finished=times[1],
    )


def _record(
    request: ProjectRequest,
    project: ReanaProject,
    prepared: Prepared,
    staged: Staged,
    run: Evidence,
    ended: Ended,
    where: Place,
    status: EngineStatus,
) -> RunRecord:
    images = {chosen.named or "default": chosen.image for chosen in prepared.images}
    first = prepared.images[0].image
    deviations = [chosen.deviation for chosen in prepared.images if chosen.deviation]
    deviations += [f"scenarios left out: {glob}" for glob in request.skip_scenarios]
    outputs = project.specification.outputs
    made = [
        name
        for name in run.files
        if name in outputs.files or name.startswith(tuple(f"{d}/" for d in outputs.directories))
    ]
    interrupted = isinstance(ended.outcome.error, InterruptedRunError)
    missing = [name for name in outputs.files if name not in run.files]
    failed = run.status == "failed" or bool(missing)
    return RunRecord(
        reprun_version=__version__,
        snakemake_version=ended.snakemake,
        analysis=project.name,
        variant=f"reana-{project.type}",
        dataset=None,
        status="interrupted" if interrupted else "failed" if failed else "finished",
        started=run.started,
        finished=run.finished,
        command=tuple(sys.argv),
        inputs=Inputs(
            images={named: image.image_id for named, image in images.items()},
            code={
                project.path.name: sha256_file(project.path),
                **{name: sha256_file(project.directory / name) for name in staged.files},
            },
            parameters=as_scalars(where.parameters),
            outputs=(*outputs.files, *outputs.directories),
        ),
        engine=EngineRecord(name=status.name, version=status.version, unenforced=status.unenforced),
        image=ImageRecord(name=first.name, image_id=first.image_id, manifest=first.manifest),
        host=this_host(),
        deviations=tuple(deviations),
        steps=ended.outcome.steps,
        outputs={name: run.digest(name) for name in made},
        sandbox=where.confined.sandbox if project.type == "snakemake" else None,
    )


def _notes(
    prepared: Prepared, staged: Staged, record: RunRecord, judged: Sequence[Judged]
) -> list[str]:
    notes = [*staged.notes, *prepared.notes, ALWAYS]
    engine = record.engine
    notes += [f"{engine.name} cannot set a {what} on this host" for what in engine.unenforced]
    if record.sandbox == TRUSTED:
        notes.append("the Snakefile ran outside of a sandbox, trusted by --trust-snakefile")
    if any(one.status == "not understood" for one in judged):
        notes.append("--skip-scenario GLOB leaves out what cannot be evaluated here, and says so")
    return notes


def _raise_what_failed(report: ProjectReport, record: RunRecord, run_directory: Path) -> None:
    for step in failed_of(record.steps):
        error = failure_of(step)
        if error.hint and error.hint.startswith("resources:"):
            error.hint = "kubernetes_memory_limit / kubernetes_job_timeout of that step"
        raise error
    if report.missing:
        raise OutputMissingError(
            f"outputs of reana.yaml: {report.missing}",
            place=str(run_directory / "workspace"),
            hint=f"ls -R {quoted(run_directory / 'workspace')}",
        )
    if report.status == "nothing checked":
        raise NothingToCompareError(
            "the run has succeeded, but the project declares no output and no test that was "
            "checked",
            place=report.specification,
            hint="outputs: {files: […]}   # or tests: {files: […]}, in reana.yaml",
        )

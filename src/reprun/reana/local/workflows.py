"""The two kinds of workflow that run here: what each needs, then the run itself."""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reprun.documents.record import StepRecord
from reprun.engines.base import ContainerEngine
from reprun.engines.confinement import Confinement
from reprun.errors import InterruptedRunError, MissingFilesError, ReprunError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.progress import Progress
from reprun.reana.local.images import Chosen, ImageMap, choose
from reprun.reana.local.parameters import expanded
from reprun.reana.local.specification import ReanaProject, Resources, SerialStep
from reprun.store.store import Store
from reprun.wording import listed, quoted
from reprun.workflow.complaint import undeclared
from reprun.workflow.driver import snakemake_version
from reprun.workflow.evidence import failed_of, lack_of_steps
from reprun.workflow.planned import PlannedStep, refuse_memory
from reprun.workflow.planning import plan_steps
from reprun.workflow.resources import cpus, memory_mb
from reprun.workflow.snakefiles import RuleText, read_snakefile
from reprun.workflow.snakemake import (
    LOG,
    WorkflowOutcome,
    WorkflowRequest,
    run_workflow,
)
from reprun.workflow.steps import DEFAULT_MEMORY_MB, Step, StepRunner, bounded
from reprun.workflow.workspace import Given, Workspace

CREDENTIALS = ("kerberos", "voms_proxy", "rucio")
PLANNED_BYTES = 10_000_000
"""Files above this are planned as empty ones: only what a Snakefile reads counts then."""

_UNSAFE = re.compile(r"[^\w.-]+")
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workflow whose images are known; nothing has run."""

    images: tuple[Chosen, ...]
    notes: tuple[str, ...]
    """What REANA would have done otherwise, each a sentence."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a workflow ended."""

    outcome: WorkflowOutcome
    names: tuple[str, ...]
    """The name of each step that ran, as REANA's logs call it."""
    engine_log: str | None
    snakemake: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a workflow runs, and with what."""

    run_directory: Path
    held: int
    """The descriptor that holds the run directory."""
    engine: ContainerEngine
    confined: Confinement
    store: Store
    cores: int
    parameters: Mapping[str, Any]

    @property
    def workspace(self) -> Path:
        """The workspace of the run."""
        return self.run_directory / "workspace"


def refuse_resources(project: ReanaProject) -> None:
    """Raise SpecificationError for what a workflow wants of a cluster and this machine has not."""
    resources: Resources = project.specification.workflow.resources
    wanted = [name for name in CREDENTIALS if getattr(resources, name)]
    wanted += ["dask"] if resources.dask else []
    wanted += ["cvmfs"] if resources.cvmfs else []
    if wanted:
        raise SpecificationError(
            f"the workflow requires {', '.join(wanted)} of its cluster, not available "
            "without network access",
            place=project.place("workflow", "resources", wanted[0]),
            hint=f"reana-client run -f {quoted(project.path)}   # on a REANA server",
        )


# -- serial --------------------------------------------------------------------------------------


def _steps(project: ReanaProject) -> tuple[SerialStep, ...]:
    specification = project.specification.workflow.specification
    assert specification is not None
    return specification.steps


def prepare_serial(project: ReanaProject, images: ImageMap, catalogue: Catalogue) -> Prepared:
    """Return the images of the steps and what is ignored here."""
    chosen: dict[str, Chosen] = {}
    notes: dict[str, None] = {}
    for number, step in enumerate(_steps(project)):
        who = f"step {step.name or number}"
        at = ("workflow", "specification", "steps", number)
        if wanted := [name for name in CREDENTIALS if getattr(step, name)]:
            raise SpecificationError(
                f"{who} requires {', '.join(wanted)}, not available without network access",
                place=project.place(*at, wanted[0]),
            )
        if step.environment not in chosen:
            place = project.place(*at, "environment")
            chosen[step.environment] = choose(
                step.environment, images, catalogue, who=who, place=place
            )
        if step.compute_backend != "kubernetes":
            notes[f"{who} runs in a container here, not on {step.compute_backend}"] = None
        if step.kubernetes_uid is not None:
            notes[f"{who}: kubernetes_uid {step.kubernetes_uid} is ignored, it runs as you"] = None
    images.refuse_unused(chosen)
    return Prepared(tuple(chosen.values()), tuple(notes))


def run_serial(
    project: ReanaProject, prepared: Prepared, where: Place, progress: Progress
) -> Ended:
    """Run the commands one after the other, each a job of its own, until one fails."""
    jobs = list(_serial_jobs(project, prepared, where))
    runner = StepRunner(
        where.engine,
        Workspace(where.workspace, Given(where.workspace)),
        where.run_directory / "logs",
        keeps=(where.held,),
    )
    records: list[StepRecord] = []
    error: ReprunError | None = None
    with progress.task("running the steps", len(jobs), "step") as bar:
        for name, step in jobs:
            try:
                record = _interruptible(runner, bounded(step, where.cores))
            except InterruptedRunError as interrupted:
                error = interrupted
                break
            records.append(record)
            bar.advance(1)
            state = "done" if record.succeeded else "FAILED"
            progress.say(
                f"[{len(records)}/{len(jobs)}] {name or 'step'} {state} in "
                f"{record.wall_seconds:.1f} s"
            )
            if not record.succeeded:
                break
    names = tuple(name for name, _ in jobs[: len(records)])
    outcome = WorkflowOutcome(tuple(records), None, error)
    return Ended(outcome, names, engine_log=None, snakemake="not used")


def _serial_jobs(
    project: ReanaProject, prepared: Prepared, where: Place
) -> Iterator[tuple[str, Step]]:
    images = {one.named: one.image for one in prepared.images}
    job = 0
    for number, step in enumerate(_steps(project)):
        for index, command in enumerate(step.commands):
            at = ("workflow", "specification", "steps", number)
            job += 1
            yield (
                step.name,
                Step(
                    rule=_UNSAFE.sub("_", step.name) or f"step-{number}",
                    job=job,
                    command=expanded(
                        command, where.parameters, project.place(*at, "commands", index)
                    ),
                    image=images[step.environment],
                    threads=where.cores,
                    memory_mb=_memory(step, project, at),
                    minutes=step.kubernetes_job_timeout / 60
                    if step.kubernetes_job_timeout
                    else None,
                    cpus=_cpus(step, project, at),
                    strict=False,
                ),
            )


def _memory(step: SerialStep, project: ReanaProject, at: tuple[str | int, ...]) -> int:
    if step.kubernetes_memory_limit is None:
        return DEFAULT_MEMORY_MB
    try:
        found = memory_mb(step.kubernetes_memory_limit)
        refuse_memory(found, step.kubernetes_memory_limit)
    except SpecificationError as error:
        error.place = project.place(*at, "kubernetes_memory_limit")
        raise
    return found


def _cpus(step: SerialStep, project: ReanaProject, at: tuple[str | int, ...]) -> float | None:
    if step.kubernetes_cpu_limit is None:
        return None
    try:
        return cpus(step.kubernetes_cpu_limit)
    except SpecificationError as error:
        error.place = project.place(*at, "kubernetes_cpu_limit")
        raise


def _interruptible(runner: StepRunner, step: Step) -> StepRecord:
    """Run a step in a thread, so that Ctrl-C here kills its container there."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(runner.run, step)
        try:
            while True:
                try:
                    return future.result(_PAUSE)
                except concurrent.futures.TimeoutError:
                    if future.done():
                        return future.result()
        except (KeyboardInterrupt, InterruptedRunError) as error:
            runner.cancelled.set()
            concurrent.futures.wait([future])
            raise InterruptedRunError(
                "interrupted; the container is gone", hint="every run starts from nothing"
            ) from error


# -- Snakemake -----------------------------------------------------------------------------------


def plan_project(
    project: ReanaProject,
    directory: Path,
    files: Sequence[str],
    parameters: Mapping[str, Any],
    confined: Confinement,
) -> tuple[PlannedStep, ...]:
    """Return the jobs of a Snakemake project that has these files; nothing runs."""
    small = [name for name in files if (directory / name).stat().st_size <= PLANNED_BYTES]
    large = sorted(set(files) - set(small))
    try:
        plan = plan_steps(directory, project.workflow_file, small, large, parameters, (), confined)
    except MissingFilesError as error:
        if found := list(undeclared(error.paths, project.directory, files)):
            raise SpecificationError(
                f"{error.needed_by} needs {listed(found)}, in the directory of the project but "
                "not among its inputs",
                place=project.place("inputs"),
                hint=f"inputs: {{files: [{listed(found, len(found))}]}}   # or `directories`",
            ) from error
        raise
    return plan.steps


def prepare_snakemake(
    project: ReanaProject,
    images: ImageMap,
    catalogue: Catalogue,
    staged: Sequence[str],
    workspace: Path,
    parameters: Mapping[str, Any],
    confined: Confinement,
) -> Prepared:
    """Return the images of the rules and what is ignored here."""
    snakefile = project.directory / project.workflow_file
    text = read_snakefile(snakefile, project.directory)
    chosen: dict[str | None, Chosen] = {}
    for step in plan_project(project, workspace, staged, parameters, confined):
        rule = text.rule(step.rule)
        place = f"{rule.file}:{rule.line_of('container')}" if rule else str(snakefile)
        if step.container not in chosen:
            who = f"rule {step.rule}"
            chosen[step.container] = choose(step.container, images, catalogue, who=who, place=place)
        if step.fault and step.container:
            raise SpecificationError(step.fault, place=place)
    if not chosen:
        raise SpecificationError(
            "the first rule of the Snakefile has nothing to run; rules of included files are not "
            "taken for the first one",
            place=f"{snakefile}:1",
            hint='rule all: input: "results/…"   # in the Snakefile itself',
        )
    images.refuse_unused(chosen)
    notes = dict.fromkeys(note for rule in text.rules for note in _ignored(rule))
    return Prepared(tuple(chosen.values()), tuple(notes))


def _ignored(rule: RuleText) -> Iterator[str]:
    """Yield what a rule asks of REANA that means nothing here."""
    resources = rule.directives.get("resources")
    said = resources.text if resources else ""
    backend = re.search(r"compute_backend\s*=\s*[\"'](\w+)", said)
    if backend and backend[1] != "kubernetes":
        yield f"rule {rule.name} runs in a container here, not on {backend[1]}"
    if uid := re.search(r"kubernetes_uid\s*=\s*(\d+)", said):
        yield f"rule {rule.name}: kubernetes_uid {uid[1]} is ignored, it runs as you"
    for name in CREDENTIALS:
        if re.search(rf"\b{name}\s*=\s*True", said):
            yield f"rule {rule.name}: {name} is ignored, a container here has no network"


def run_snakemake(
    project: ReanaProject,
    prepared: Prepared,
    catalogue: Catalogue,
    where: Place,
    progress: Progress,
) -> Ended:
    """Run the Snakefile's first rule and all it needs, as REANA does."""
    request = WorkflowRequest(
        workspace=where.workspace,
        run_directory=where.run_directory,
        snakefile=project.workflow_file,
        images=catalogue.directories,
        config=where.parameters,
        targets=(),
        given=Given(where.workspace),
        confined=where.confined,
        keeps=(where.held,),
        image_map={one.named: one.image.reference for one in prepared.images},
    )
    outcome = run_workflow(request, where.engine, where.cores, where.store, progress)
    log = where.run_directory / LOG
    if outcome.error is None and not failed_of(outcome.steps):
        again = f"less {quoted(log)}"
        plan = outcome.last_plan
        outcome = replace(outcome, error=lack_of_steps(plan, outcome.steps, str(log), again))
    return Ended(
        outcome,
        tuple(step.rule for step in outcome.steps),
        engine_log=log.read_text(encoding="utf-8", errors="replace"),
        snakemake=snakemake_version(),
    )

"""Snakemake executor that runs every job in the image of its rule's `container:`.

The only file that touches Snakemake's job and workflow classes. Some members it uses
(`shellcmd`, `container_img_url`, `prepare`, `is_run` …) are not part of the published plugin
interface; tests/integration/test_executor.py holds each of them on the pinned releases.
"""

# No `from __future__ import annotations`: Snakemake reads the types of the settings' fields.

import concurrent.futures
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import (
    CommonSettings,
    ExecMode,
    ExecutorSettingsBase,
)

from reprun.documents.project import Project
from reprun.engines.base import Mount
from reprun.engines.choose import CHOICES, choose_engine, engine_choice, make_engine
from reprun.errors import OutputMissingError, ReprunError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent, listening
from reprun.store.store import Store
from reprun.wording import listed, quoted
from reprun.workflow.cells import CellWorkflow, read_cells
from reprun.workflow.events import EventWriter
from reprun.workflow.planned import PlannedStep, write_plan
from reprun.workflow.resources import memory_mb
from reprun.workflow.steps import (
    DEFAULT_MEMORY_MB,
    SNAKEMAKE_DIRECTORY,
    Step,
    StepRunner,
    echo_to_stderr,
    failure_of,
    path_in_workspace,
)

PARENT_SECONDS = 0.5


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """Options of `snakemake --executor reprun`, each as `--reprun-…`."""

    engine: str = field(
        default="auto", metadata={"help": f"container engine: {', '.join(CHOICES)}"}
    )
    checked: bool = field(
        default=False,
        metadata={"help": "the engine has passed its self-check just now; do not repeat it"},
    )
    images: list[str] = field(
        default_factory=list,
        metadata={
            "help": "directories of locked images; default: the project's and reprun's own",
            "nargs": "+",
        },
    )
    # `Optional`, not `| None`: the only form that Snakemake takes apart.
    cells: Optional[str] = field(
        default=None,
        metadata={"help": "JSON list of the cells of a matrix: workspaces, images, mounts of each"},
    )
    plan: Optional[str] = field(
        default=None, metadata={"help": "write the planned jobs to this JSON file and run none"}
    )
    events: Optional[str] = field(
        default=None, metadata={"help": "file that receives one JSON object for each event"}
    )
    logs: Optional[str] = field(
        default=None, metadata={"help": "directory for what the jobs print"}
    )
    mounts: Optional[str] = field(
        default=None,
        metadata={"help": "JSON list of [directory, path in every container], read-only"},
    )
    network: bool = field(
        default=False, metadata={"help": "give the jobs the host's network: they are not hermetic"}
    )
    image_map: Optional[str] = field(
        default=None,
        metadata={
            "help": "JSON object: what runs in the place of images as rules name them, "
            '"" for rules that name none'
        },
    )
    parent: Optional[int] = field(
        default=None, metadata={"help": "stop when this process is no longer the parent"}
    )


common_settings = CommonSettings(
    non_local_exec=False, implies_no_shared_fs=False, job_deploy_sources=False
)


class Executor(RealExecutor):  # type: ignore[misc]
    """Runs jobs through `reprun.workflow.steps` in a pool of threads."""

    def __post_init__(self) -> None:
        settings = self.workflow.executor_settings
        self._events = EventWriter(Path(settings.events) if settings.events else None)
        self._listening = ExitStack()
        self._listening.enter_context(listening(self._events.command))
        self._cells = {cell.name: cell for cell in self._known_cells()}
        if settings.plan:
            levels = self.dag.toposorted()
            jobs = [job for level in levels for job in sorted(level, key=str) if not job.is_norun]
            write_plan(map(_planned, jobs), Path(settings.plan))
            raise WorkflowError(f"planned {len(jobs)} jobs, run none")
        self._running: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        store = Store.default()
        self._images: dict[tuple[str, str], Image] = {}
        self._image_map: dict[str, str] = json.loads(settings.image_map or "{}")
        cell = ""
        try:
            needed = [job for job in self.dag.needrun_jobs() if not job.is_norun]
            for check in (_refuse_streams, _refuse):
                for job in self.dag.jobs:
                    if not job.is_norun:
                        cell = self._cell(job).name
                        check(job, self._cell(job), self._image_of(job))
            for job in self.dag.jobs:
                if not job.is_norun:
                    cell = self._cell(job).name
                    self._resolve_image(job, store)
            cell = ""
            choice = engine_choice(settings.engine)
            engine = (
                make_engine(choice, store)
                if settings.checked and choice != "auto"
                else choose_engine(choice, store)[0]
            )
            engine.sweep()
            for image in {image.image_id: image for image in self._images.values()}.values():
                engine.prepare(image)
        except ReprunError as error:
            self._events.refused(cell, error)
            raise WorkflowError(_in_words(error)) from error
        self._events.planned(len(needed))
        here = Path.cwd()
        self._runners = {
            name: StepRunner(
                engine,
                here / one.prefix,
                one.logs,
                echo=None if settings.logs is not None else echo_to_stderr,
                mounts=[Mount(Path(source), target) for source, target in one.mounts],
                network=one.network,
                cancelled=self._cancelled,
            )
            for name, one in self._cells.items()
        }
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=(self.cores or 1) + 5)
        if settings.parent is not None:
            threading.Thread(target=_follow_parent, args=(settings.parent,), daemon=True).start()

    def _known_cells(self) -> tuple[CellWorkflow, ...]:
        """Return the cells of a matrix, or the one workflow as a cell without a name."""
        settings = self.workflow.executor_settings
        if settings.cells:
            return read_cells(Path(settings.cells))
        snakefile = Path(self.workflow.main_snakefile)
        logs = settings.logs or Path.cwd() / SNAKEMAKE_DIRECTORY / "reprun"
        return (
            CellWorkflow(
                name="",
                prefix="",
                snakefile=snakefile,
                config={},
                targets=(),
                images=_directories(settings.images, snakefile),
                logs=logs,
                mounts=json.loads(settings.mounts) if settings.mounts else (),
                network=settings.network,
            ),
        )

    def _cell(self, job: Any) -> CellWorkflow:
        """Return the cell a job belongs to."""
        return self._cells.get(job.rule.name.partition("_")[0]) or self._cells[""]

    @property
    def cores(self) -> int | None:
        """Cores that Snakemake may use."""
        cores: int | None = self.workflow.resource_settings.cores
        return cores

    def get_exec_mode(self) -> ExecMode:
        """Jobs run as children of this process."""
        return ExecMode.SUBPROCESS

    def get_python_executable(self) -> str:
        """Never used: no job runs Snakemake inside its container."""
        return sys.executable

    def run_job(self, job: Any) -> None:
        """Start a job in a thread."""
        info = SubmittedJobInfo(job=job)
        future = self._pool.submit(self._run, job)
        future.add_done_callback(partial(self._done, info))
        self.report_job_submission(info)

    def cancel(self) -> None:
        """Kill the containers, wait for their end and remove what they had half-written."""
        self._cancelled.set()
        self._pool.shutdown()
        for job in list(self._running.values()):
            for output in map(Path, map(str, job.output)):
                if output.is_dir() and not output.is_symlink():
                    shutil.rmtree(output)
                else:
                    output.unlink(missing_ok=True)

    def shutdown(self) -> None:
        """Wait for the threads."""
        self._pool.shutdown()
        self._listening.close()

    def _image_of(self, job: Any) -> str:
        """Return what a job runs in: as its rule says, unless something takes its place."""
        named = job.container_img_url or ""
        return self._image_map.get(named, named).removeprefix("docker://")

    def _resolve_image(self, job: Any, store: Store) -> None:
        cell = self._cell(job)
        reference = self._image_of(job)
        if (cell.name, reference) in self._images:
            return
        catalogue = Catalogue(*cell.images)
        try:
            locked = catalogue.by_reference(reference)
        except SpecificationError as error:
            raise SpecificationError(
                f"rule {cell.own_rule(job.rule.name)}: the image '{reference}' is not locked: "
                f"{error.message}",
                hint=error.hint or "reprun images list",
            ) from error
        self._images[cell.name, reference] = ensure(locked, catalogue, store, Silent())

    # -- one job -----------------------------------------------------------------------------

    def _run(self, job: Any) -> None:
        with self._lock:
            self._running[job.jobid] = job
        self.workflow.async_run(job.prepare())
        if job.is_norun:
            return
        cell = self._cell(job)
        runner = self._runners[cell.name]
        _refuse(job, cell, self._image_of(job))  # a checkpoint may have added it to the plan since
        step = self._step(job, cell)
        self._events.started(cell.name, step.rule, step.label)
        record = runner.run(step)
        self._events.ended(cell.name, record)
        if not record.succeeded:
            raise WorkflowError(failure_of(record).message)
        if missing := runner.missing_outputs(step):
            raise OutputMissingError(
                f"step {step.rule} finished but left no {listed(missing)}",
                place=record.log,
                hint=f"less {quoted(record.log)}",
            )

    def _step(self, job: Any, cell: CellWorkflow) -> Step:
        memory, minutes = _limits(job)
        return Step(
            rule=cell.own_rule(job.rule.name),
            job=job.jobid,
            command=cell.own_text(job.shellcmd),
            image=self._images[cell.name, self._image_of(job)],
            inputs=tuple(cell.own_path(str(path)) for path in job.input),
            outputs=tuple(cell.own_path(str(path)) for path in job.output),
            logs=tuple(cell.own_path(str(path)) for path in job.log),
            wildcards={key: str(value) for key, value in job.wildcards_dict.items()},
            threads=max(1, job.threads),
            memory_mb=memory or DEFAULT_MEMORY_MB,
            minutes=minutes,
            benchmark=cell.own_path(str(job.benchmark)) if job.benchmark else None,
            repetitions=job.benchmark_repeats or 1,
        )

    def _done(self, info: SubmittedJobInfo, future: concurrent.futures.Future[None]) -> None:
        error = future.exception()
        if self._cancelled.is_set():
            return
        with self._lock:
            self._running.pop(info.job.jobid, None)
        if error is None:
            self.report_job_success(info)
            return
        if isinstance(error, ReprunError):
            self._events.refused(self._cell(info.job).name, error)
            self.logger.error(_in_words(error))
        else:
            self.logger.error(str(error))
        self.report_job_error(info)


def _directories(given: Sequence[str] | None, snakefile: Path) -> Sequence[Path]:
    """Return the directories of images that were named, else those of the Snakefile's project."""
    if given:
        return [Path(directory) for directory in given]
    return Catalogue.of(Project.look_up(snakefile.parent)).directories


def _planned(job: Any) -> PlannedStep:
    """Return a job as it is planned, with what a run would refuse it for."""
    alone = CellWorkflow(
        name="", prefix="", snakefile=Path(), config={}, targets=(), images=(), logs=Path()
    )
    fault = None
    memory, minutes = None, None
    try:
        memory, minutes = _limits(job)
        _refuse_streams(job, alone)
        _refuse(job, alone, job.container_img_url or "")
    except SpecificationError as error:
        fault = error.message
    return PlannedStep(
        rule=job.rule.name,
        wildcards={key: str(value) for key, value in job.wildcards_dict.items()},
        command=(job.shellcmd or "") if job.is_shell else "",
        container=job.container_img_url,
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        logs=tuple(map(str, job.log)),
        threads=max(1, job.threads),
        memory_mb=memory,
        minutes=minutes,
        benchmark=str(job.benchmark) if job.benchmark else None,
        fault=fault,
    )


def _limits(job: Any) -> tuple[int | None, float | None]:
    """Return memory in MB and time in minutes as the rule gives them, here or for REANA.

    Raises SpecificationError for an amount that nobody can read.
    """
    resources = job.resources
    memory, minutes = resources.get("mem_mb"), resources.get("runtime")
    for_reana = resources.get("kubernetes_memory_limit")
    if not isinstance(memory, int):
        memory = memory_mb(for_reana) if isinstance(for_reana, str) else None
    seconds = resources.get("kubernetes_job_timeout")
    if not isinstance(minutes, int | float):
        minutes = seconds / 60 if isinstance(seconds, int | float) else None
    return memory, minutes


def _refuse_streams(job: Any, cell: CellWorkflow, image: str = "") -> None:
    """Refuse pipes first: Snakemake puts both of their ends into a group of its own."""
    if job.is_pipe or job.is_service:
        raise SpecificationError(
            f"rule {cell.own_rule(job.rule.name)} has a pipe() or service() output, which one "
            "container cannot hand to another; write a file, mark it temp() if it is large"
        )


INSTEAD = "put the code in a file, declare the file as input and call it from shell:"


def _refuse(job: Any, cell: CellWorkflow, image: str) -> None:
    """Refuse a job that could not run the same way in a container here and on REANA."""
    name = cell.own_rule(job.rule.name)
    forms = {
        "run:": job.is_run,
        "script:": job.is_script,
        "notebook:": job.is_notebook,
        "wrapper:": job.is_wrapper,
        "cwl:": job.is_cwl,
        "template_engine:": job.is_template_engine,
    }
    for form, used in forms.items():
        if used:
            raise SpecificationError(
                f"rule {name} uses {form}, which would not run in the rule's container; {INSTEAD} "
                f'shell: "python3 code/{name}.py {{input}} {{output}}"'
            )
    # The public `group` is None wherever jobs run on this machine.
    if job.rule._group is not None:  # noqa: SLF001
        raise SpecificationError(
            f"rule {name} is in a group; remove `group:`, each job has a container of its own"
        )
    if job.is_shadow:
        raise SpecificationError(
            f"rule {name} uses `shadow:`; remove it, a job's scratch space is /tmp in its container"
        )
    if not image:
        raise SpecificationError(
            f"rule {name} has no `container:`, so it would run on the host; write "
            '`container: config["image"]`'
        )
    if not job.shellcmd:
        raise SpecificationError(f"rule {name} has an empty shell command")
    for path in (*job.input, *job.output, *job.log, *([job.benchmark] if job.benchmark else [])):
        path_in_workspace(cell.own_path(str(path)), name)
    _limits(job)


def _in_words(error: ReprunError) -> str:
    return error.message + (f"\n  try: {error.hint}" if error.hint else "")


def _follow_parent(parent: int) -> None:
    """End like after Ctrl-C when the process that started Snakemake is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)

"""Snakemake executor that runs every job in the image of its rule's `container:`.

The only file that touches Snakemake's job and workflow classes. Some members it uses
(`shellcmd`, `container_img_url`, `prepare`, `is_run` …) are not part of the published plugin
interface; tests/integration/test_executor.py holds each of them on the pinned releases.
"""

# No `from __future__ import annotations`: Snakemake reads the types of the settings' fields.

import concurrent.futures
import math
import queue
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Optional, Protocol

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import (
    CommonSettings,
    ExecMode,
    ExecutorSettingsBase,
)

from reprun.errors import ReprunError, SpecificationError
from reprun.workflow.planned import MOST_TRIES, PlannedStep, Try
from reprun.workflow.protocol import Answer, Plan, Run, call
from reprun.workflow.resources import memory_mb

ENGINES = ("auto", "runc", "docker")


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """Options of `snakemake --executor reprun`, each as `--reprun-…`."""

    engine: str = field(
        default="auto", metadata={"help": f"container engine: {', '.join(ENGINES)}"}
    )
    images: list[str] = field(
        default_factory=list,
        metadata={
            "help": "directories of locked images; default: the project's and reprun's own",
            "nargs": "+",
        },
    )
    # `Optional`, not `| None`: the only form that Snakemake takes apart.
    socket: Optional[str] = field(
        default=None,
        metadata={"help": "socket of the reprun that runs the steps: Snakemake is in its sandbox"},
    )


common_settings = CommonSettings(
    non_local_exec=False, implies_no_shared_fs=False, job_deploy_sources=False
)


class Steps(Protocol):
    """Who runs the steps: reprun at the other end of the socket, or this process."""

    def take_plan(self, plan: Plan) -> bool:
        """Take all jobs and which are needed; return whether they are to run."""

    def run(self, key: str) -> None:
        """Run a step of the plan; raise why it failed."""

    def stop(self) -> None:
        """End what is running, and remove what it had half-written."""


class Executor(RealExecutor):  # type: ignore[misc]
    """Has the jobs run as steps, in a pool of threads."""

    def __post_init__(self) -> None:
        settings = self.workflow.executor_settings
        self._cancelled = threading.Event()
        self._steps: Steps = (
            _Caller(Path(settings.socket))
            if settings.socket
            else _own_steps(settings, Path(self.workflow.main_snakefile), self.cores or 1)
        )
        self._planned: dict[str, PlannedStep] = {}
        self._planning = threading.Lock()
        try:
            if not self._tell_plan():
                raise WorkflowError(f"planned {len(self._planned)} jobs, run none")
        except ReprunError as error:
            raise WorkflowError(_in_words(error)) from error
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=(self.cores or 1) + 5)

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
        self._steps.stop()
        self._pool.shutdown()

    def shutdown(self) -> None:
        """Wait for the threads."""
        self._pool.shutdown()

    def _tell_plan(self) -> bool:
        """Tell every job of the plan as it is now; return whether they are to run."""
        with self._planning:
            levels = self.dag.toposorted()
            jobs = [job for level in levels for job in sorted(level, key=str) if not job.is_norun]
            steps = [_planned(job) for job in jobs]
            needed = [_planned(job).key for job in self.dag.needrun_jobs() if not job.is_norun]
            going_on = self._steps.take_plan(Plan(steps=tuple(steps), needed=tuple(needed)))
            self._planned = {step.key: step for step in steps}
            return going_on

    def _run(self, job: Any) -> None:
        self.workflow.async_run(job.prepare())
        if job.is_norun:
            return
        step = _planned(job)
        if self._planned.get(step.key) != step:  # a checkpoint has added or completed it since
            self._tell_plan()
        self._steps.run(step.key)

    def _done(self, info: SubmittedJobInfo, future: concurrent.futures.Future[None]) -> None:
        error = future.exception()
        if self._cancelled.is_set():
            return
        if error is None:
            self.report_job_success(info)
            return
        self.logger.error(_in_words(error) if isinstance(error, ReprunError) else str(error))
        self.report_job_error(info)


class _Caller:
    """Asks reprun, at the other end of the socket."""

    def __init__(self, path: Path) -> None:
        self._line = call(path)
        self._answers: dict[str | None, queue.SimpleQueue[Answer | None]] = {}
        self._lock = threading.Lock()
        self._gone = False
        threading.Thread(target=self._hear, daemon=True).start()

    def take_plan(self, plan: Plan) -> bool:
        return self._ask(plan, None).go_on

    def run(self, key: str) -> None:
        self._ask(Run(key=key), key)

    def stop(self) -> None:
        """Nothing: reprun ends the steps, and then this sandbox."""

    def _ask(self, request: Plan | Run, key: str | None) -> Answer:
        waiting: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        with self._lock:
            self._answers[key] = waiting
            if self._gone:
                waiting.put(None)
        self._line.send(request)
        answer = waiting.get()
        if answer is None:
            raise WorkflowError("reprun is gone")
        if answer.problem is not None:
            raise answer.problem.error()
        return answer

    def _hear(self) -> None:
        for answer in self._line.answers():
            with self._lock:
                waiting = self._answers.pop(answer.key, None)
            if waiting is not None:
                waiting.put(answer)
        with self._lock:
            self._gone = True
            for waiting in self._answers.values():
                waiting.put(None)


def _own_steps(settings: Any, snakefile: Path, cores: int) -> Steps:
    """Return what runs the steps in this process: Snakemake was started by hand."""
    from snakemake_executor_plugin_reprun.by_hand import OwnSteps  # noqa: PLC0415 - heavy

    return OwnSteps(settings.engine, settings.images, snakefile, cores)


def _planned(job: Any) -> PlannedStep:
    """Return a job as it is planned, with what a run would refuse it for."""
    fault = None
    first, *others = [Try(command="")]
    try:
        first, *others = _tries(job)
        _refuse_streams(job)
        _refuse(job)
    except SpecificationError as error:
        fault = error.message
    return PlannedStep(
        rule=job.rule.name,
        wildcards={key: str(value) for key, value in job.wildcards_dict.items()},
        command=first.command,
        container=job.container_img_url,
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        directories=tuple(str(path) for path in job.output if path.is_directory),
        touched=tuple(map(str, job.touch_output)),
        temporary=tuple(map(str, job.temp_output)),
        logs=tuple(map(str, job.log)),
        threads=first.threads,
        memory_mb=first.memory_mb,
        minutes=first.minutes,
        tries=tuple(others) if any(one != first for one in others) else (),
        benchmark=str(job.benchmark) if job.benchmark else None,
        repetitions=job.benchmark_repeats or 1,
        checkpoint=job.is_checkpoint,
        open=job.incomplete_input_expand,
        fault=fault,
    )


def _tries(job: Any) -> list[Try]:
    """Return what each try of a job runs.

    Nothing of the job is changed: the scheduler reads it meanwhile in another thread. Parameters
    are the first try's, as in Snakemake, which expands them once.
    """
    return [_try(job, attempt) for attempt in range(1, min(job.restart_times + 1, MOST_TRIES) + 1)]


def _try(job: Any, attempt: int) -> Try:
    """Return what a try runs; the command and limits may depend on its number by resources."""
    resources = job.resources
    if attempt != job.attempt:
        resources = job.rule.expand_resources(job.wildcards_dict, job.input, attempt)
    memory, minutes = _limits(resources)
    threads = resources["_cores"]
    shell = job.rule.shellcmd if job.is_shell else None
    return Try(
        command=job.format_wildcards(shell, resources=resources, threads=threads) if shell else "",
        threads=max(1, threads),
        memory_mb=memory,
        minutes=minutes,
    )


def _limits(resources: Any) -> tuple[int | None, float | None]:
    """Return memory in MB and time in minutes as a rule gives them, here or for REANA.

    Raises SpecificationError for an amount that nobody can read.
    """
    memory, minutes = resources.get("mem_mb"), resources.get("runtime")
    for_reana = resources.get("kubernetes_memory_limit")
    if isinstance(memory, int | float):
        memory = max(0, math.ceil(memory))
    else:
        memory = memory_mb(for_reana) if isinstance(for_reana, str) else None
    seconds = resources.get("kubernetes_job_timeout")
    if isinstance(minutes, int | float):
        minutes = max(0, minutes)
    else:
        minutes = seconds / 60 if isinstance(seconds, int | float) else None
    return memory, minutes


def _refuse_streams(job: Any) -> None:
    """Refuse pipes first: Snakemake puts both of their ends into a group of its own."""
    if job.is_pipe or job.is_service:
        raise SpecificationError(
            f"rule {job.rule.name} has a pipe() or service() output, which one "
            "container cannot hand to another; write a file, mark it temp() if it is large"
        )


INSTEAD = "put the code in a file, declare the file as input and call it from shell:"


def _refuse(job: Any) -> None:
    """Refuse a job that could not run the same way in a container here and on REANA."""
    name = job.rule.name
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


def _in_words(error: ReprunError) -> str:
    return error.message + (f"\n  try: {error.hint}" if error.hint else "")

"""The local backend: Snakemake plans and schedules in its sandbox, the steps run outside of it."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

from reprun.documents.record import StepRecord
from reprun.engines.base import ContainerEngine, Ending, Mount
from reprun.engines.confinement import Confinement
from reprun.errors import InterruptedRunError, ReprunError, unforeseen
from reprun.progress import Progress, Task
from reprun.store.store import Store
from reprun.wording import listed
from reprun.workflow.driver import POLL_SECONDS, drive
from reprun.workflow.evidence import failed_of
from reprun.workflow.planned import WorkflowPlan
from reprun.workflow.protocol import Plan
from reprun.workflow.rerun import OUT_OF_DATE, Everything, Rules, Steps
from reprun.workflow.supervisor import UNFORESEEN_HINT, Cores, Supervisor, Surroundings
from reprun.workflow.workspace import Given, Workspace

LOG = "snakemake.log"
MORE_THAN_CORES = 2
"""So many Snakemakes more than cores read their Snakefiles while others wait for their steps."""


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """What the backend needs to run a workflow."""

    workspace: Path
    run_directory: Path
    snakefile: str
    images: Sequence[Path]
    """The directories of the catalogue in which every image of the workflow is locked."""
    config: Mapping[str, Any]
    targets: Sequence[str]
    given: Given
    """Code and data, which every step has read-only."""
    confined: Confinement
    """What Snakemake runs in."""
    rerun: Steps = OUT_OF_DATE
    plan: WorkflowPlan | None = None
    """The plan that is expected. Without one the first is taken, as no step has run here yet."""
    mounts: Sequence[tuple[Path, str]] = ()
    """Directories of this machine and where every step sees them, read-only."""
    network: bool = False
    image_map: Mapping[str, str] = field(default_factory=dict)
    """What runs in the place of images as the Snakefile names them; "" for rules that name none."""
    keeps: Sequence[int] = ()
    """Descriptors of locks that hold as long as anything of this run lives."""


@dataclass(frozen=True, slots=True)
class WorkflowOutcome:
    """What came of it: the steps that ran, and why it stopped if it did."""

    steps: tuple[StepRecord, ...]
    """In the order in which they ended; a step that was tried again has several."""
    plan: WorkflowPlan | None
    """What was planned before any step had run."""
    error: ReprunError | None
    grown: WorkflowPlan | None = None
    """The plan with what checkpoints have added; None where there is no other than `plan`."""

    @property
    def last_plan(self) -> WorkflowPlan | None:
        """What is planned as far as Snakemake has come."""
        return self.grown or self.plan


def run_workflow(
    request: WorkflowRequest, engine: ContainerEngine, cores: int, store: Store, progress: Progress
) -> WorkflowOutcome:
    """Run one workflow to its end; see `run_workflows`."""
    return run_workflows({"": request}, engine, cores, store, progress)[""]


def run_workflows(
    requests: Mapping[str, WorkflowRequest],
    engine: ContainerEngine,
    cores: int,
    store: Store,
    progress: Progress,
) -> Mapping[str, WorkflowOutcome]:
    """Run several workflows, called by what people know them as, on cores that they share.

    Each has a Snakemake in a sandbox of its own, so that nothing in one can reach another. One
    that fails stops no other. Ctrl-C and SIGTERM (raised here as KeyboardInterrupt or
    InterruptedRunError) kill all containers, and what they had half-written is removed before
    this returns, with an InterruptedRunError in every outcome.
    """
    shared = Cores(cores)
    runs = {
        label: _Run(label, request, engine, shared, store) for label, request in requests.items()
    }
    stopped = False
    most = min(len(runs), cores + MORE_THAN_CORES)
    with (
        progress.task("running the steps", None, "step") as bar,
        concurrent.futures.ThreadPoolExecutor(most) as pool,
    ):
        waiting = {pool.submit(run.to_the_end) for run in runs.values()}
        while waiting:
            try:
                _, waiting = concurrent.futures.wait(waiting, POLL_SECONDS)
                for run in runs.values():
                    run.report(progress, bar)
                _show(runs.values(), bar)
            except (KeyboardInterrupt, InterruptedRunError):
                stopped = True
                for run in runs.values():
                    run.cancelled.set()
            except BaseException:
                for run in runs.values():
                    run.cancelled.set()
                raise
    return {label: run.outcome(stopped=stopped) for label, run in runs.items()}


def _show(runs: Iterable[_Run], bar: Task) -> None:
    """Show which steps run, those that run longest first, and how many there are to run."""
    known = list(runs)
    steps = sorted((one for run in known for one in run.at_work()), key=lambda one: -one[1])
    doing = listed((f"{name} {seconds:.0f} s" for name, seconds in steps), most=2)
    bar.show(doing, sum(run.steps for run in known) or None)


class _Run:
    """One workflow on its way, in a thread of its own."""

    def __init__(
        self,
        label: str,
        request: WorkflowRequest,
        engine: ContainerEngine,
        cores: Cores,
        store: Store,
    ) -> None:
        self.cancelled = threading.Event()
        self._label = label
        self._request = request
        self._cores = cores
        self._steps = 0
        self._done: set[str] = set()
        self._news: queue.SimpleQueue[Callable[[Progress, Task], None]] = queue.SimpleQueue()
        self._error: ReprunError | None = None
        self._supervisor = Supervisor(
            Workspace(request.workspace, request.given),
            Surroundings(
                engine=engine,
                store=store,
                images=request.images,
                logs=request.run_directory / "logs",
                mounts=[Mount(source, target) for source, target in request.mounts],
                network=request.network,
                image_map=request.image_map,
                keeps=request.keeps,
            ),
            cores=cores,
            cancelled=self.cancelled,
            expected=request.plan,
            ended=self._ended,
        )

    def take_plan(self, plan: Plan) -> bool:
        """Take what Snakemake has planned; see `driver.Overseer`."""
        self._supervisor.take_plan(plan.steps)
        self._steps = len(self._done | set(plan.needed))
        return True

    def run(self, key: str) -> None:
        """Run a step; see `driver.Overseer`."""
        self._supervisor.run(key)

    def to_the_end(self) -> None:
        """Run the workflow; keeps its error for the outcome."""
        if self.cancelled.is_set():
            return
        request = self._request
        log = request.run_directory / LOG
        try:
            driven = drive(
                request.confined,
                self._supervisor.workspace,
                request.snakefile,
                self._arguments(),
                request.config,
                request.targets,
                log,
                self,
                cancel=self.cancelled,
                workers=self._cores.number,
                keeps=request.keeps,
            )
        except ReprunError as error:
            self._error = error
            return
        except Exception as error:  # noqa: BLE001 - of one workflow; the others go on
            self._error = unforeseen(error, hint=UNFORESEEN_HINT)
            return
        self._error = self._supervisor.error
        if self._error is None and not failed_of(self._supervisor.records):
            self._error = driven.error(log, request.snakefile)
        if self.cancelled.is_set():
            self._supervisor.clean_up()

    @property
    def steps(self) -> int:
        """How many steps it has to run, as far as it has planned."""
        return self._steps

    def at_work(self) -> list[tuple[str, float]]:
        """Return the steps that run at this moment, by name, and for how many seconds."""
        whose = f"{self._label}: " if self._label else ""
        return [(f"{whose}{name}", seconds) for name, seconds in self._supervisor.at_work()]

    def report(self, progress: Progress, bar: Task) -> None:
        """Report what is new, in the thread of whoever waits."""
        while not self._news.empty():
            self._news.get()(progress, bar)

    def outcome(self, *, stopped: bool) -> WorkflowOutcome:
        """Return what came of it."""
        error = self._error
        if stopped:
            error = InterruptedRunError(
                "interrupted; containers are gone, finished steps are kept",
                hint="type the same command again to go on",
            )
        supervisor = self._supervisor
        return WorkflowOutcome(tuple(supervisor.records), supervisor.plan, error, supervisor.grown)

    def _arguments(self) -> list[str]:
        arguments = ["--rerun-triggers", "mtime", "input", "params", "code"]
        match self._request.rerun:
            case Everything():
                arguments.append("--forceall")
            case Rules(names=names):
                arguments += ["--forcerun", *names] if names else []
            case _:
                assert_never(self._request.rerun)
        return arguments

    def _ended(self, record: StepRecord) -> None:
        again = record.key in self._done
        self._done.add(record.key)
        number = len(self._done)
        state = "done" if record.succeeded else "FAILED"
        if record.ending == Ending.CANCELLED:
            state = "stopped"
        whose = f"{self._label}: " if self._label else ""
        text = (
            f"[{number}/{self._steps}] {whose}{record.rule} {state} in {record.wall_seconds:.1f} s"
        )

        def tell(progress: Progress, bar: Task) -> None:
            if not again:
                bar.advance(1)
            progress.say(text)

        self._news.put(tell)

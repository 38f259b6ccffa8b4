"""Outside of Snakemake's sandbox: what may run is decided here, is run here, and is recorded here.

Snakemake names its jobs before any of them has run; from then on it can only ask for one of
them by its key. Whatever else the program in the sandbox says is not believed: that a run has
finished follows from the records that were written here (`reprun.workflow.evidence`).
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reprun.documents.record import StepRecord
from reprun.engines.base import ContainerEngine, Ending, Mount
from reprun.errors import (
    BackendError,
    IntegrityError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
    StepFailedError,
    unforeseen,
)
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from reprun.workflow.planned import (
    MOST_PATHS,
    MOST_TRIES,
    PlannedStep,
    WorkflowPlan,
    refuse,
    unplanned,
)
from reprun.workflow.steps import StepRunner, bounded, failure_of, step_of
from reprun.workflow.workspace import Workspace

UNFORESEEN_HINT = "reprun --verbose …   # the same command; and tell the authors of reprun"


class Cores:
    """The cores that the steps of several workflows share, first come, first served.

    While a step waits for many cores, none that came later takes those that become free: else
    steps of one core could keep it waiting for ever.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._free = number
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int, cancelled: threading.Event) -> Iterator[None]:
        """Wait for cores, at most all there are, and give them back with the block."""
        number = self._wait_for(min(wanted, self.number), cancelled)
        try:
            yield
        finally:
            with self._changed:
                self._free += number
                self._changed.notify_all()

    def _wait_for(self, number: int, cancelled: threading.Event) -> int:
        """Take cores when it is our turn; return how many: none where it is cancelled."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._free < number:
                    if cancelled.is_set():
                        return 0
                    self._changed.wait(0.1)
                self._free -= number
                return number
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps of one workflow run with."""

    engine: ContainerEngine
    store: Store
    images: Sequence[Path]
    """The directories of the catalogue in which every image of the workflow is locked."""
    logs: Path
    mounts: Sequence[Mount] = ()
    network: bool = False
    image_map: Mapping[str, str] = field(default_factory=dict)
    """What runs in the place of images as the Snakefile names them; "" for rules that name none."""
    keeps: Sequence[int] = ()
    echo: Callable[[bytes], None] | None = None

    def name_of(self, container: str | None) -> str:
        """Return what a step runs in: as its rule says, unless something takes its place."""
        named = container or ""
        return self.image_map.get(named, named).removeprefix("docker://")


class Supervisor:
    """Runs the steps of one workflow as its plan has them; called from several threads."""

    def __init__(
        self,
        workspace: Workspace,
        around: Surroundings,
        *,
        cores: Cores,
        cancelled: threading.Event,
        expected: WorkflowPlan | None = None,
        ended: Callable[[StepRecord], None] = lambda _: None,
    ) -> None:
        """Take the plan that is expected, or the first that comes where `expected` is None.

        The first one is believed only where no step has written in the workspace yet.
        """
        self.workspace = workspace
        self.cancelled = cancelled
        self.plan: WorkflowPlan | None = None
        self.records: list[StepRecord] = []
        self.error: ReprunError | None = None
        """The first error that is not a step's."""
        self._around = around
        self._cores = cores
        self._expected = expected
        self._told_ended = ended
        self._steps: dict[str, PlannedStep] = {}
        self._numbers: dict[str, int] = {}
        self._images: dict[str, Image] = {}
        self._running: dict[str, PlannedStep] = {}
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._runner = StepRunner(
            around.engine,
            workspace,
            around.logs,
            echo=around.echo,
            mounts=around.mounts,
            network=around.network,
            cancelled=cancelled,
            keeps=around.keeps,
        )

    def take_plan(self, steps: Sequence[PlannedStep]) -> None:
        """Take what Snakemake has planned, at first or after a checkpoint, or raise what is wrong.

        Nothing of it has run when it is refused.
        """
        try:
            with self._lock:
                self._take_plan(steps)
        except ReprunError as error:
            self.error = self.error or error
            raise

    def run(self, key: str) -> StepRecord:
        """Run a planned step; return the record of one that succeeded.

        Raises StepFailedError of one that did not, and the errors of engine and workspace.
        """
        try:
            step = self._begin(key)
            try:
                with self._cores.taken(step.threads, self.cancelled):
                    self._since[key] = time.monotonic()
                    record = self._run(step)
            finally:
                with self._lock:
                    self._since.pop(key, None)
                    self._running.pop(key, None)
                    self._idle.notify_all()
        except StepFailedError:
            raise
        except ReprunError as error:
            self.error = self.error or error
            raise
        except Exception as error:
            self.error = self.error or unforeseen(error, hint=UNFORESEEN_HINT)
            raise
        return record

    def _begin(self, key: str) -> PlannedStep:
        """Take a planned step into those that run; return it as this try of it is planned.

        Raises BackendError where it may not run.
        """
        with self._lock:
            step = self._steps.get(key)
            if step is None or step.open or key in self._running:
                raise BackendError(f"Snakemake asks for a step that is not planned: {key}")
            tried = sum(record.key == key for record in self.records)
            if tried >= MOST_TRIES:
                raise BackendError(f"step {step.rule} was tried {MOST_TRIES} times")
            self._running[key] = step
        return step.at_try(tried + 1)

    def at_work(self) -> list[tuple[str, float]]:
        """Return the steps that have their cores, each with the seconds since, the longest first.

        A step is called by its rule and the values of its wildcards.
        """
        with self._lock:
            since = sorted(self._since.items(), key=lambda one: one[1])
            named = [(self._running[key], start) for key, start in since]
        now = time.monotonic()
        return [("-".join((s.rule, *s.wildcards.values())), now - start) for s, start in named]

    @property
    def grown(self) -> WorkflowPlan | None:
        """The plan with what checkpoints have added to it."""
        return WorkflowPlan(steps=tuple(self._steps.values())) if self.plan else None

    def wait(self) -> None:
        """Wait until no step is running."""
        with self._lock:
            self._idle.wait_for(lambda: not self._running)

    def clean_up(self) -> None:
        """Remove what steps that were stopped had half-written."""
        for record in self.records:
            if record.ending == Ending.CANCELLED:
                self.workspace.remove(list(record.outputs))

    # -- the plan ------------------------------------------------------------------------------

    def _take_plan(self, steps: Sequence[PlannedStep]) -> None:
        offered = WorkflowPlan(steps=tuple(steps))
        known = self.plan or self._expected
        if known is not None and (odd := unplanned(known, steps)) is not None:
            raise IntegrityError(
                f"Snakemake now plans rule {odd.rule} otherwise than from the code as it is "
                "locked: what earlier steps left in the workspace changes the plan",
                hint="the same command with --again",
            )
        for step in steps:
            refuse(step, self._around.name_of(step.container))
            for path in step.written:
                self.workspace.given.refuse_output(str(PurePosixPath(path)), step.rule)
        for step in steps:
            self._prepare_image(step)
        if len(self._steps.keys() | offered.by_key().keys()) > MOST_PATHS:
            raise SpecificationError(f"a workflow may have {MOST_PATHS:,} jobs at the most")
        self.plan = known or offered
        self._steps = self.plan.by_key() | self._steps | offered.by_key()
        self._numbers = {key: number for number, key in enumerate(self._steps, 1)}

    def _prepare_image(self, step: PlannedStep) -> None:
        reference = self._around.name_of(step.container)
        if reference in self._images:
            return
        catalogue = Catalogue(*self._around.images)
        try:
            locked = catalogue.by_reference(reference)
        except SpecificationError as error:
            raise SpecificationError(
                f"rule {step.rule}: {error.message}",
                hint=error.hint
                if re.split("[:@]", reference)[0] in catalogue.names()
                else 'container: config["image"]   # or one of: reprun images list',
            ) from error
        image = ensure(locked, catalogue, self._around.store, Silent())
        self._around.engine.prepare(image)
        self._images[reference] = image

    # -- one step ------------------------------------------------------------------------------

    def _run(self, planned: PlannedStep) -> StepRecord:
        image = self._images[self._around.name_of(planned.container)]
        step = bounded(step_of(planned, image, self._numbers[planned.key]), self._cores.number)
        record = self._runner.run(step)
        if record.succeeded:
            record = self._with_outputs(planned, record)
        self._note(record)
        if not record.succeeded:
            raise failure_of(record)
        return record

    def _with_outputs(self, planned: PlannedStep, record: StepRecord) -> StepRecord:
        """Return the record with digests of what the step wrote, or with what is wrong with it."""
        made = [path for path in planned.outputs if path not in planned.touched]
        try:
            self.workspace.require(made, planned.directories)
            wrote = {path: self.workspace.digest(path) for path in made}
        except OutputMissingError as error:
            return record.model_copy(update={"fault": error.message})
        return record.model_copy(update={"outputs": {**record.outputs, **wrote}})

    def _note(self, record: StepRecord) -> None:
        with self._lock:
            self.records.append(record)
        self._told_ended(record)

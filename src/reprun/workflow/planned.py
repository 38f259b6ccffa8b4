"""The steps of a workflow as Snakemake plans them: values that cross from its sandbox to us."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from reprun.digests import canonical_json
from reprun.documents.reading import Document
from reprun.errors import SpecificationError

LONGEST_COMMAND = 1 << 20
MOST_PATHS = 100_000
MOST_TRIES = 100
"""How often a step may be run in one run; `retries:` asks for more than one."""
LEAST_MEMORY_MB = 6
"""What Docker takes; runc needs a third of it to start."""
UNKNOWN_YET = "<TBD>"
"""What Snakemake has in the place of a resource that follows from the size of a later input."""
_RULE = re.compile(r"[\w.-]{1,100}")

_Path = Annotated[str, Field(max_length=4096)]
Paths = Annotated[tuple[_Path, ...], Field(max_length=MOST_PATHS)]
_Command = Annotated[str, Field(max_length=LONGEST_COMMAND)]
_Threads = Annotated[int, Field(ge=1, le=4096)]
_Megabytes = Annotated[int, Field(ge=0)] | None
_Minutes = Annotated[float, Field(ge=0)] | None


def path_in_workspace(path: str, rule: str) -> PurePosixPath:
    """Return a declared path, or refuse one that leads out of the workspace."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise SpecificationError(
            f"rule {rule}: '{path}' leads out of the workspace; "
            "write a path relative to the Snakefile's directory"
        )
    return pure


def _with_any_number(command: str) -> re.Pattern[str]:
    """Return what matches a command with a number in each place that is not known yet."""
    return re.compile(r"\d+".join(map(re.escape, command.split(UNKNOWN_YET))))


class Try(Document):
    """What of a step is another when it is tried again: `retries:` with resources by attempt."""

    command: _Command
    threads: _Threads = 1
    memory_mb: _Megabytes = None
    minutes: _Minutes = None


class PlannedStep(Document):
    """One job: what it runs, in which image, on which files."""

    rule: Annotated[str, Field(max_length=200)]
    wildcards: Annotated[Mapping[_Path, _Path], Field(max_length=1000)] = {}
    command: _Command
    container: Annotated[str, Field(max_length=4096)] | None
    """What the rule's `container:` says; null if it says nothing."""
    inputs: Paths = ()
    outputs: Paths = ()
    directories: Paths = ()
    """Outputs among them that are directories."""
    touched: Paths = ()
    """Outputs among them that Snakemake makes itself, once the command has ended."""
    temporary: Paths = ()
    """Outputs among them that Snakemake removes once nothing needs them any more."""
    logs: Paths = ()
    threads: _Threads = 1
    memory_mb: _Megabytes = None
    minutes: _Minutes = None
    tries: Annotated[tuple[Try, ...], Field(max_length=MOST_TRIES - 1)] = ()
    """What the second try runs, the third …; empty where each runs what the first one does."""
    benchmark: _Path | None = None
    repetitions: Annotated[int, Field(ge=1, le=1000)] = 1
    checkpoint: bool = False
    """Whether further steps may become known once it has run."""
    open: bool = False
    """Whether a checkpoint has to run before it is known what it reads, and so what it runs."""
    fault: str | None = None
    """What of it cannot run in a container, here or on REANA."""

    @property
    def key(self) -> str:
        """What tells a job from every other of its workflow: its rule and wildcards."""
        return canonical_json([self.rule, dict(self.wildcards)]).decode()

    @property
    def commands(self) -> tuple[str, ...]:
        """What the first try runs, the second …"""
        return (self.command, *(again.command for again in self.tries))

    def may_run(self, command: str) -> bool:
        """Tell whether a command is the planned one, at the first try or a later one.

        A number that Snakemake could not know, as an input had yet to be made, may be any.
        """
        return any(
            command == planned
            or (UNKNOWN_YET in planned and _with_any_number(planned).fullmatch(command) is not None)
            for planned in self.commands
        )

    def is_as(self, planned: PlannedStep) -> bool:
        """Tell whether it is as it was planned, but for limits that follow from sizes of inputs."""
        if self == planned:
            return True
        free = {"command": "", "memory_mb": None, "minutes": None, "tries": ()}
        return self.model_copy(update=free) == planned.model_copy(update=free) and all(
            map(planned.may_run, self.commands)
        )

    def at_try(self, number: int) -> PlannedStep:
        """Return the step as it is tried for the first time (1), the second …"""
        if number == 1 or not self.tries:
            return self
        again = self.tries[min(number - 2, len(self.tries) - 1)]
        return self.model_copy(update=dict(again))

    @property
    def written(self) -> tuple[str, ...]:
        """Every path it declares to write."""
        return (*self.outputs, *self.logs, *([self.benchmark] if self.benchmark else []))

    @property
    def file_name(self) -> str:
        """The rule as a part of a file's name. Raises SpecificationError where it is none."""
        if _RULE.fullmatch(self.rule) is None or self.rule.startswith("."):
            raise SpecificationError(f"a rule cannot be called {self.rule[:100]!r}")
        return self.rule


def refuse_memory(megabytes: int, amount: str) -> None:
    """Raise SpecificationError where no container could start with an amount of memory."""
    if megabytes < LEAST_MEMORY_MB:
        raise SpecificationError(
            f"{amount} of memory is too little to start a container: "
            f"the least is {LEAST_MEMORY_MB} MB"
        )


def refuse(step: PlannedStep, image: str) -> None:
    """Raise SpecificationError for a step that could not run; `image` is what it runs in."""
    if step.fault is not None:
        raise SpecificationError(step.fault)
    rule = step.file_name
    if not image:
        raise SpecificationError(
            f"rule {rule} has no `container:`, so it would run on the host; write "
            '`container: config["image"]`'
        )
    if not step.command:
        raise SpecificationError(f"rule {rule} has an empty shell command")
    for number in range(1, len(step.tries) + 2):
        tried = step.at_try(number)
        if tried.memory_mb is not None:
            refuse_memory(tried.memory_mb, f"rule {rule}: {tried.memory_mb} MB")
        if tried.minutes == 0:
            raise SpecificationError(f"rule {rule} asks for 0 minutes; write `runtime=MINUTES`")
    for path in (*step.inputs, *step.written):
        path_in_workspace(path, rule)


def refusal(step: PlannedStep) -> str | None:
    """Return why a run would refuse a step as its rule has it, None where it would not."""
    try:
        refuse(step, step.container or "")
    except SpecificationError as error:
        return error.message
    return None


class WorkflowPlan(Document):
    """Every job of a workflow, in an order in which they can run."""

    steps: Annotated[tuple[PlannedStep, ...], Field(max_length=MOST_PATHS)]

    def by_key(self) -> dict[str, PlannedStep]:
        """Return the steps by their keys. Raises SpecificationError for two of one key."""
        found: dict[str, PlannedStep] = {}
        for step in self.steps:
            if step.key in found:
                raise SpecificationError(
                    f"rule {step.rule} is planned twice for the same wildcards"
                )
            found[step.key] = step
        return found

    @property
    def grows(self) -> bool:
        """Whether a checkpoint may add steps to it."""
        return any(step.checkpoint for step in self.steps)


def unplanned(plan: WorkflowPlan, steps: Sequence[PlannedStep]) -> PlannedStep | None:
    """Return the first step that is not in a plan as it is, None where all are.

    Steps that a checkpoint adds are new; a step that the plan knows must be as it was planned,
    but for what a checkpoint decides: the inputs of a step that was open, and its command.
    """
    known = plan.by_key()
    for step in steps:
        planned = known.get(step.key)
        if planned is None:
            if not plan.grows:
                return step
        elif not step.is_as(planned) and not (
            plan.grows
            and (step.open or planned.open)
            and (step.written, step.container) == (planned.written, planned.container)
        ):
            return step
    return None

"""One step of a workflow, whatever planned it: into a container, out comes its record."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from reprun.bounded import limits
from reprun.documents.record import StepRecord, memory_of_this_host
from reprun.engines.base import (
    MIB,
    WORKSPACE,
    Bounded,
    ContainerEngine,
    ContainerJob,
    ContainerResult,
    Ending,
    Limits,
    Mount,
)
from reprun.errors import OutputMissingError, SpecificationError, StepFailedError
from reprun.files import mark, storage_errors
from reprun.images.model import Image
from reprun.wording import quoted
from reprun.workflow.beneath import Beneath
from reprun.workflow.planned import PlannedStep, path_in_workspace
from reprun.workflow.workspace import VIEW, Given, Workspace

STRICT = "set -euo pipefail\n"
"""Prepended to every command: a failed write before a good command must not pass."""

LAST = "\n\nexit $?\n"
"""Appended to every command, so that bash stays process 1 and the program becomes its child:
the kernel drops signals that process 1 of a container sends itself, and a program that kills
itself would go on or seem to end well. Two line ends, as the command may end in a backslash.
"""

LONGEST_ARGUMENT = 120_000
"""Bytes; the kernel takes 128 KiB (MAX_ARG_STRLEN), and 2 MiB of all arguments together."""
LONGEST_COMMAND = 1 << 20
CHARACTERS = LONGEST_ARGUMENT // 4
JOINED = 'IFS=; command="$*"; unset IFS; set --; eval "$command"'

SNAKEMAKE_DIRECTORY = ".snakemake"
LAST_LINES = 15
LOG_TAIL_BYTES = 64 << 10
DEFAULT_MEMORY_MB = 4096
BENCHMARK_HEADER = (
    "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
)


@dataclass(frozen=True, slots=True)
class Step:
    """What the planner knows of a job."""

    rule: str
    job: int
    command: str
    image: Image
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    wildcards: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    cpus: float | None = None
    """Where the limit on CPU time is not the number of threads."""
    memory_mb: int = DEFAULT_MEMORY_MB
    minutes: float | None = None
    benchmark: str | None = None
    repetitions: int = 1
    strict: bool = True
    """Whether the first command that fails ends it; REANA's serial commands are plain bash."""

    @property
    def label(self) -> str:
        """Rule and wildcards, for people."""
        named = ", ".join(f"{key}={value}" for key, value in self.wildcards.items())
        return f"{self.rule} ({named})" if named else self.rule


def step_of(planned: PlannedStep, image: Image, job: int) -> Step:
    """Return a planned step as it runs, in an image and as the job of a number.

    Raises SpecificationError where the rule's name cannot be part of a file's.
    """
    return Step(
        rule=planned.file_name,
        job=job,
        command=planned.command,
        image=image,
        inputs=planned.inputs,
        outputs=planned.outputs,
        logs=planned.logs,
        wildcards=planned.wildcards,
        threads=planned.threads,
        memory_mb=planned.memory_mb or DEFAULT_MEMORY_MB,
        minutes=planned.minutes,
        benchmark=planned.benchmark,
        repetitions=planned.repetitions,
    )


def bounded(step: Step, cores: int) -> Step:
    """Return a step that may use what there is here and no more, whatever its rule asks for."""
    return replace(
        step,
        threads=min(step.threads, cores),
        cpus=None if step.cpus is None else min(step.cpus, float(cores)),
        memory_mb=min(step.memory_mb, memory_of_this_host() // MIB),
    )


def container_of(
    step: Step,
    workspace: Path,
    given: Given,
    mounts: Sequence[Mount] = (),
    views: Sequence[tuple[Path, str]] = (),
    *,
    network: bool = False,
    keeps: Sequence[int] = (),
) -> ContainerJob:
    """Return the container a step runs in: command, mounts, limits.

    `views` are inputs that an earlier step made, each with its path in the workspace. Raises
    SpecificationError for a path that leads out of the workspace.
    """
    written_by(step)
    return ContainerJob(
        image=step.image,
        argv=_argv((STRICT if step.strict else "") + step.command + LAST, step.rule),
        mounts=[
            Mount(workspace, WORKSPACE, read_only=False),
            *given.mounts(WORKSPACE),
            *(Mount(place, f"{WORKSPACE}/{path}") for place, path in views),
            *mounts,
        ],
        network=network,
        hidden=(f"{WORKSPACE}/{SNAKEMAKE_DIRECTORY}",),
        limits=Limits(
            cpus=step.cpus or float(step.threads),
            memory_bytes=step.memory_mb * MIB,
            seconds=None if step.minutes is None else step.minutes * 60,
        ),
        keeps=keeps,
    )


def written_by(step: Step) -> list[PurePosixPath]:
    """Return what a step declares to write; refuse what leads out, also of what it reads."""
    for name in step.inputs:
        path_in_workspace(name, step.rule)
    declared = [*step.outputs, *step.logs, *([step.benchmark] if step.benchmark else [])]
    return [path_in_workspace(path, step.rule) for path in declared]


def _argv(command: str, rule: str) -> tuple[str, ...]:
    """Return how bash runs a command: in parts where it is longer than an argument may be."""
    data = command.encode()
    if len(data) <= LONGEST_ARGUMENT:
        return ("bash", "-c", command)
    if len(data) > LONGEST_COMMAND:
        raise SpecificationError(
            f"rule {rule}: its command is {len(data)} bytes long, the most is {LONGEST_COMMAND}; "
            "give the program a directory, or a file that lists its inputs"
        )
    parts = [command[at : at + CHARACTERS] for at in range(0, len(command), CHARACTERS)]
    return ("bash", "-c", JOINED, "bash", *parts)


class StepRunner:
    """Runs steps of one workspace on one engine; may be called from several threads."""

    def __init__(
        self,
        engine: ContainerEngine,
        workspace: Workspace,
        logs: Path,
        *,
        echo: Callable[[bytes], None] | None = None,
        mounts: Sequence[Mount] = (),
        network: bool = False,
        cancelled: threading.Event | None = None,
        keeps: Sequence[int] = (),
    ) -> None:
        self._engine = engine
        self._workspace = workspace
        self._logs = logs
        self._echo = echo
        self._mounts = tuple(mounts)
        self._network = network
        self._keeps = tuple(keeps)
        self._views = logs.parent
        self._count = itertools.count()
        self.cancelled = cancelled or threading.Event()

    def run(self, step: Step) -> StepRecord:
        """Run a step; the record tells how it ended, and the digests of what it read and wrote.

        Raises only when the engine fails, or when an earlier step put something in the place of
        an input that is neither a file nor a directory.
        """
        written = written_by(step)
        log = self._logs / f"{step.rule}-{step.job}.log"
        started = dt.datetime.now(dt.UTC)
        self._workspace.lay_out()
        read = {name: self._workspace.digest(name) for name in step.inputs}
        with storage_errors(self._logs):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as stream:
                keep = Bounded(stream.write, limits.LOG_BYTES.value)
                tail = _Tail()
                writing = threading.Lock()

                def take(data: bytes) -> None:
                    with writing:
                        keep(data)
                        tail.take(data)
                        if self._echo:
                            self._echo(data)

                home = self._views / f"{VIEW}{mark()}.{next(self._count)}"
                with self._workspace.views(step.inputs, written, home) as views:
                    job = container_of(
                        step,
                        self._workspace.root,
                        self._workspace.given,
                        self._mounts,
                        views,
                        network=self._network,
                        keeps=self._keeps,
                    )
                    results = self._repeat(job, step.repetitions, take)
            result = results[-1]
            record = StepRecord(
                rule=step.rule,
                job=step.job,
                wildcards=step.wildcards,
                command=step.command,
                image=step.image.reference,
                engine=self._engine.name,
                inputs=read,
                outputs=dict.fromkeys(step.outputs),
                ending=str(result.ending),
                exit_code=result.exit_code,
                started=started,
                wall_seconds=result.wall_seconds,
                cpu_seconds=result.cpu_seconds,
                peak_memory_bytes=result.peak_memory_bytes,
                cpus=step.cpus or float(step.threads),
                memory_limit_bytes=step.memory_mb * MIB,
                log=str(log),
                last_lines=(),
            )
            if record.succeeded:
                self._write_benchmark(step, results)
            else:
                said = tail.lines or self._end_of_declared_logs(step)
                record = record.model_copy(update={"last_lines": tuple(said)})
        return record

    def _repeat(
        self, job: ContainerJob, times: int, take: Callable[[bytes], None]
    ) -> list[ContainerResult]:
        results: list[ContainerResult] = []
        for _ in range(times):
            results.append(self._engine.run(job, stdout=take, stderr=take, cancel=self.cancelled))
            if results[-1].exit_code or results[-1].ending is not Ending.EXITED:
                break
        return results

    def _end_of_declared_logs(self, step: Step) -> list[str]:
        for name in step.logs:
            try:
                with Beneath(self._workspace.root) as workspace, workspace.open(name) as stream:
                    size = stream.seek(0, 2)
                    stream.seek(max(0, size - LOG_TAIL_BYTES))
                    tail = _Tail()
                    tail.take(stream.read(LOG_TAIL_BYTES))
            except OutputMissingError:
                continue
            if tail.lines:
                return tail.lines
        return []

    def _write_benchmark(self, step: Step, results: list[ContainerResult]) -> None:
        """Write Snakemake's benchmark table; what an engine does not measure is `-`."""
        if step.benchmark is None:
            return
        rows = [BENCHMARK_HEADER]
        for result in results:
            wall = result.wall_seconds
            clock = str(dt.timedelta(seconds=int(wall)))
            memory = result.peak_memory_bytes
            cpu = result.cpu_seconds
            rss = "-" if memory is None else f"{memory / MIB:.2f}"
            load = "-" if cpu is None or not wall else f"{100 * cpu / wall:.2f}"
            time = "-" if cpu is None else f"{cpu:.2f}"
            rows.append(f"{wall:.4f}\t{clock}\t{rss}\t-\t-\t-\t-\t-\t{load}\t{time}")
        with Beneath(self._workspace.root) as workspace:
            workspace.write(step.benchmark, ("\n".join(rows) + "\n").encode())


_NO_NETWORK = re.compile(
    r"name resolution|resolve host|getaddrinfo|Name or service not known|Network is unreachable",
    re.IGNORECASE,
)
NO_NETWORK = (
    "Steps have no network: what they read is among code, data and inputs. reprun data add NAME "
    "DATASET FILE… makes a file one of the data"
)


def failure_of(step: StepRecord) -> StepFailedError:
    """Return the error that says why a step failed and shows the end of what it printed."""
    limit = step.memory_limit_bytes // MIB
    reasons = {
        Ending.OUT_OF_MEMORY: f"it needed more than its limit of {limit} MB of memory",
        Ending.TIMED_OUT: f"it ran longer than its limit ({step.wall_seconds:.0f} s)",
        Ending.CANCELLED: "it was stopped",
    }
    if step.fault is not None:
        return StepFailedError(
            f"step {step.rule} ended well, but {step.fault}",
            place=step.log,
            hint=f"less {quoted(step.log)}",
        )
    why = reasons.get(Ending(step.ending), _meaning(step.exit_code))
    if step.ending == Ending.OUT_OF_MEMORY:
        hint = f"resources: mem_mb={2 * limit}   # in rule {step.rule} of the Snakefile"
    elif step.ending == Ending.TIMED_OUT:
        hint = f"resources: runtime=MINUTES   # in rule {step.rule} of the Snakefile"
    else:
        hint = f"less {quoted(step.log)}"
    said = "".join(f"\n    {line}" for line in step.last_lines)
    if any(map(_NO_NETWORK.search, step.last_lines)):
        said += f"\n    {NO_NETWORK}"
    return StepFailedError(f"step {step.rule} failed: {why}{said}", place=step.log, hint=hint)


def _meaning(exit_code: int) -> str:
    """Return an exit code with the signal that it stands for in a shell."""
    try:
        name = signal.Signals(exit_code - 128).name
    except ValueError:
        return f"exit code {exit_code}"
    return f"exit code {exit_code} (killed by {name})"


class _Tail:
    """The last lines of a stream."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._rest = b""

    def take(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(line.decode(errors="replace") for line in whole)
        self._rest = self._rest[-4096:]

    @property
    def lines(self) -> list[str]:
        rest = [self._rest.decode(errors="replace")] if self._rest else []
        return [line for line in [*self._lines, *rest] if line.strip()][-LAST_LINES:]


def echo_to_stderr(data: bytes) -> None:
    """Show what a step prints, as plain Snakemake does."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()

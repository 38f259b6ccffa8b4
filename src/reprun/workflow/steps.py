"""One step of a workflow, whatever planned it: into a container, out comes its record."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reprun.documents.record import StepRecord
from reprun.engines.base import (
    MIB,
    WORKSPACE,
    ContainerEngine,
    ContainerJob,
    ContainerResult,
    Ending,
    Limits,
    Mount,
)
from reprun.errors import SpecificationError, StepFailedError
from reprun.files import storage_errors, write_atomically
from reprun.images.model import Image
from reprun.wording import quoted

STRICT = "set -euo pipefail\n"
"""Prepended to every command: a failed write before a good command must not pass."""

LAST = "\n\nexit $?\n"
"""Appended to every command, so that bash stays process 1 and the program becomes its child:
the kernel drops signals that process 1 of a container sends itself, and a program that kills
itself would go on or seem to end well. Two line ends, as the command may end in a backslash.
"""

SNAKEMAKE_DIRECTORY = ".snakemake"
LAST_LINES = 15
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


def path_in_workspace(path: str, rule: str) -> PurePosixPath:
    """Return a declared path, or refuse one that leads out of the workspace."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise SpecificationError(
            f"rule {rule}: '{path}' leads out of the workspace; "
            "write a path relative to the Snakefile's directory"
        )
    return pure


def container_of(
    step: Step, workspace: Path, mounts: Sequence[Mount] = (), *, network: bool = False
) -> ContainerJob:
    """Return the container a step runs in: command, mounts, limits.

    Raises SpecificationError for a path that leads out of the workspace, also by a link.
    """
    own = [Mount(workspace, WORKSPACE, read_only=False)]
    written = {path_in_workspace(path, step.rule) for path in (*step.outputs, *step.logs)}
    for name in dict.fromkeys(step.inputs):
        path = path_in_workspace(name, step.rule)
        if not _holds(workspace, workspace / path):
            raise SpecificationError(
                f"rule {step.rule}: the input '{name}' is a link that leads out of the "
                "workspace, and what it points at is not locked; put a copy in its place"
            )
        # A directory that holds an output must stay writable as a whole.
        if not any(path == out or path in out.parents for out in written):
            own.append(Mount(workspace / path, f"{WORKSPACE}/{path}"))
    return ContainerJob(
        image=step.image,
        argv=("bash", "-c", (STRICT if step.strict else "") + step.command + LAST),
        mounts=[*own, *mounts],
        network=network,
        hidden=(f"{WORKSPACE}/{SNAKEMAKE_DIRECTORY}",),
        limits=Limits(
            cpus=step.cpus or float(step.threads),
            memory_bytes=step.memory_mb * MIB,
            seconds=None if step.minutes is None else step.minutes * 60,
        ),
    )


def _holds(workspace: Path, path: Path) -> bool:
    """Tell whether a path stays in the workspace when the links a job wrote are followed."""
    return path.resolve().is_relative_to(workspace.resolve())


class StepRunner:
    """Runs steps of one workspace on one engine; may be called from several threads."""

    def __init__(
        self,
        engine: ContainerEngine,
        workspace: Path,
        logs: Path,
        *,
        echo: Callable[[bytes], None] | None = None,
        mounts: Sequence[Mount] = (),
        network: bool = False,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._engine = engine
        self._workspace = workspace
        self._logs = logs
        self._echo = echo
        self._mounts = tuple(mounts)
        self._network = network
        self.cancelled = cancelled or threading.Event()

    def run(self, step: Step) -> StepRecord:
        """Run a step; the record tells how it ended. Raises only when the engine fails."""
        if step.benchmark is not None:
            path_in_workspace(step.benchmark, step.rule)
        log = self._logs / f"{step.rule}-{step.job}.log"
        started = dt.datetime.now(dt.UTC)
        with storage_errors(self._logs):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as stream:
                tail = _Tail()
                writing = threading.Lock()

                def take(data: bytes) -> None:
                    with writing:
                        stream.write(data)
                        tail.take(data)
                        if self._echo:
                            self._echo(data)

                results = []
                for _ in range(step.repetitions):
                    results.append(
                        self._engine.run(
                            container_of(
                                step, self._workspace, self._mounts, network=self._network
                            ),
                            stdout=take,
                            stderr=take,
                            cancel=self.cancelled,
                        )
                    )
                    if results[-1].exit_code or results[-1].ending is not Ending.EXITED:
                        break
            result = results[-1]
            record = StepRecord(
                rule=step.rule,
                job=step.job,
                wildcards=step.wildcards,
                command=step.command,
                image=step.image.reference,
                engine=self._engine.name,
                inputs=step.inputs,
                outputs=step.outputs,
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

    def missing_outputs(self, step: Step) -> list[str]:
        """Return the declared outputs that are not there, or are links out of the workspace."""
        found = {name: self._workspace / name for name in step.outputs}
        return [
            name
            for name, path in found.items()
            if not (path.exists() and _holds(self._workspace, path))
        ]

    def _end_of_declared_logs(self, step: Step) -> list[str]:
        for name in step.logs:
            path = self._workspace / path_in_workspace(name, step.rule)
            if path.is_file() and _holds(self._workspace, path):
                tail = _Tail()
                tail.take(path.read_bytes())
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
        target = self._workspace / path_in_workspace(step.benchmark, step.rule)
        if not _holds(self._workspace, target.parent):
            raise SpecificationError(
                f"rule {step.rule}: '{step.benchmark}' leads out of the workspace through a link"
            )
        # By renaming: a link that the job left in its place is replaced, not followed.
        write_atomically(target, ("\n".join(rows) + "\n").encode())


def failure_of(step: StepRecord) -> StepFailedError:
    """Return the error that says why a step failed and shows the end of what it printed."""
    limit = step.memory_limit_bytes // MIB
    reasons = {
        Ending.OUT_OF_MEMORY: f"it needed more than its limit of {limit} MB of memory",
        Ending.TIMED_OUT: f"it ran longer than its limit ({step.wall_seconds:.0f} s)",
        Ending.CANCELLED: "it was stopped",
    }
    why = reasons.get(Ending(step.ending), _meaning(step.exit_code))
    if step.ending == Ending.OUT_OF_MEMORY:
        hint = f"resources: mem_mb={2 * limit}   # in rule {step.rule} of the Snakefile"
    elif step.ending == Ending.TIMED_OUT:
        hint = f"resources: runtime=MINUTES   # in rule {step.rule} of the Snakefile"
    else:
        hint = f"less {quoted(step.log)}"
    said = "".join(f"\n    {line}" for line in step.last_lines)
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

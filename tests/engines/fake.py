"""An engine that starts nothing: for tests of what stands above the engines.

It runs Python functions registered for a command line, against the same mounts, limits and
cancellation as a real container. The contract suite keeps it honest.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reprun.engines.base import (
    ContainerJob,
    ContainerResult,
    Ending,
    EngineStatus,
    Output,
    environment_of,
)
from reprun.errors import EngineError
from reprun.images.model import Image

POLL_SECONDS = 0.01


class _EndedError(Exception):
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass(frozen=True, slots=True)
class FakeContainer:
    """What a registered function sees of its container."""

    job: ContainerJob
    stdout: Output
    stderr: Output
    cancel: threading.Event
    deadline: float | None

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment."""
        return environment_of(self.job)

    def host_path(self, path: str, *, writing: bool) -> Path:
        """Return where a path of the container lies on the host, by the mounts alone."""
        pure = PurePosixPath(path)
        for hidden in self.job.hidden:
            if pure.is_relative_to(hidden):
                raise FileNotFoundError(errno.ENOENT, "hidden", path)
        for mount in sorted(self.job.mounts, key=lambda mount: -len(mount.target)):
            if pure.is_relative_to(mount.target):
                if writing and mount.read_only:
                    raise OSError(errno.EROFS, "Read-only file system", path)
                return mount.source / pure.relative_to(mount.target)
        raise OSError(errno.EROFS, "Read-only file system", path)

    def write(self, path: str, text: str) -> None:
        """Write a file as the program in the container would."""
        self.host_path(path, writing=True).write_text(text)

    def exists(self, path: str) -> bool:
        """Tell whether the program would see a file."""
        try:
            return self.host_path(path, writing=False).exists()
        except OSError:
            return False

    def connect(self) -> None:
        """Try to reach a network: there is one only if the job was given it."""
        if self.job.network:
            return
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def allocate(self, amount: int) -> None:
        """Use memory."""
        if amount > self.job.limits.memory_bytes:
            raise _EndedError(Ending.OUT_OF_MEMORY)

    def fork(self, processes: int) -> None:
        """Start processes."""
        if processes > self.job.limits.processes:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def sleep(self, seconds: float) -> None:
        """Wait, as long as the limits and the user allow."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if self.cancel.is_set():
                raise _EndedError(Ending.CANCELLED)
            if self.deadline is not None and now > self.deadline:
                raise _EndedError(Ending.TIMED_OUT)
            time.sleep(POLL_SECONDS)


Program = Callable[[FakeContainer], int]


@dataclass
class FakeEngine:
    """Runs registered functions."""

    name: str = "fake"
    converses: bool = True
    programs: dict[tuple[str, ...], Program] = field(default_factory=dict)
    jobs: list[ContainerJob] = field(default_factory=list)
    prepared: list[Image] = field(default_factory=list)

    def register(self, argv: Sequence[str], program: Program) -> None:
        """Let `argv` run `program`."""
        self.programs[tuple(argv)] = program

    def self_check(self) -> EngineStatus:
        """Always there."""
        return EngineStatus(self.name, "0")

    def prepare(self, image: Image) -> None:
        """Remember what was asked for."""
        self.prepared.append(image)

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """Run the function registered for the job's command line."""
        self.jobs.append(job)
        program = self.programs.get(tuple(job.argv))
        if program is None:
            raise EngineError(f"could not start the container: no such program: {job.argv[0]}")
        started = time.monotonic()
        deadline = None if job.limits.seconds is None else started + job.limits.seconds
        container = FakeContainer(job, stdout, stderr, cancel, deadline)
        ending, code = Ending.EXITED, 137
        try:
            code = program(container)
        except _EndedError as ended:
            ending = ended.ending
        except OSError as error:
            stderr(f"{error}\n".encode())
            code = 1
        return ContainerResult(ending, code, time.monotonic() - started, 0.0, 1 << 20)

    def sweep(self) -> list[str]:
        """Nothing is ever left."""
        return []

"""The contract of a container engine.

Every engine runs a job with the same hardening: no network (unless the job is given the
host's, on purpose), read-only root, no capabilities, no new privileges, the caller's uid,
limits on processes, memory and CPU, a private tmpfs at /tmp, inputs read-only and a fixed
environment. What an engine cannot enforce on this host (a rootless runc without a delegated
cgroup sets no memory limit) it says in `EngineStatus.unenforced`, and the run record repeats
it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified

WORKSPACE = "/work"
"""Where every job finds its workspace, whatever the host calls it."""

MIB = 1 << 20
HOSTNAME = "reprun"
UMASK = 0o022
ULIMIT_FILES = 4096
SHM_BYTES = 64 * MIB
OWNER_LABEL = "io.reprun.owner"

USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for in an image that does not say; Docker's default."""

FIXED_ENVIRONMENT: Mapping[str, str] = {
    "HOME": "/tmp",
    "HOSTNAME": HOSTNAME,
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SOURCE_DATE_EPOCH": "1700000000",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # One numerical profile on every x86-64-v3 machine: see docs/determinism.md.
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path seen inside the container."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use at the most."""

    cpus: float = 1.0
    memory_bytes: int = 4096 * MIB
    processes: int = 256
    tmp_bytes: int = 2048 * MIB
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What a job finds around it that has nothing to do with its task: the same for every job.

    Another one is for who asks whether a result depends on it (`reprun flaky`). No document of an
    analysis can ask for one. An engine that lacks what it needs raises EngineError:
    see `reprun.engines.varied.lack`.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that take the place of all others of these names."""
    hostname: str = HOSTNAME
    workspace: str = WORKSPACE
    """Where the job finds its workspace, an absolute path."""
    umask: int = UMASK
    user: int | None = None
    """The number of the user and group it runs as; None for the caller's own."""
    one_cpu: bool = False
    """Whether it sees one CPU only, and not all that this process may use."""
    fixed_addresses: bool = False
    """Whether the kernel puts its memory at the same addresses each time."""
    old_kernel: bool = False
    """Whether the kernel gives itself out as Linux 2.6."""
    days_ahead: int = 0
    """How far the clock is ahead for programs that are linked dynamically."""


@dataclass(frozen=True, slots=True)
class ContainerJob:
    """One command in one container."""

    image: Image
    argv: Sequence[str]
    mounts: Sequence[Mount] = ()
    hidden: Sequence[str] = ()
    """Paths inside the container that the job must not see: an empty tmpfs covers each."""
    working_directory: str = WORKSPACE
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    network: bool = False
    """Whether it has the host's network, for conditions asked of a server: not hermetic."""
    terminal: bool = False
    """Whether somebody types in it: it has the terminal of this process, and neither stream is
    passed on. Only for an engine that `converses`."""
    keeps: Sequence[int] = ()
    """Descriptors of locks that must stay held as long as the container lives, whoever dies."""
    setting: Setting = field(default_factory=Setting)


class Ending(StrEnum):
    """How a container came to its end."""

    EXITED = "exited"
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ContainerResult:
    """What is known of a container that has ended."""

    ending: Ending
    exit_code: int
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """An engine that answered its self-check."""

    name: str
    version: str
    unenforced: tuple[str, ...] = ()


Output = Callable[[bytes], None]
"""Receives the bytes of one stream as they come; called from the engine's own thread."""


class Bounded:
    """Writes up to so many bytes, says so once, and drops the rest."""

    def __init__(self, write: Callable[[bytes], object], most: int) -> None:
        self._write = write
        self._left = most

    def __call__(self, data: bytes) -> None:
        """Take what comes next."""
        if self._left <= 0:
            return
        self._write(data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._write(b"\n[the rest is not kept]\n")


class ContainerEngine(Protocol):
    """Runs one container at a time per call; calls may come from several threads."""

    @property
    def name(self) -> str:
        """`runc`, `docker` …"""

    @property
    def converses(self) -> bool:
        """Whether a job of it may have a terminal."""

    def self_check(self) -> EngineStatus:
        """Return what answered, or raise EngineError saying what is missing and the remedy."""

    def prepare(self, image: Image) -> Verified | None:
        """Make the image ready to start (unpack, load); raise IntegrityError on changed bytes.

        Returns what was verified of its unpacked files; None where a daemon keeps them.
        """

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """Run a job to its end; setting `cancel` kills it. Nothing of the container is left."""

    def sweep(self) -> list[str]:
        """Remove containers whose owner process is gone; return their names."""


def environment_of(job: ContainerJob) -> dict[str, str]:
    """Return the environment of a job: the image's, the fixed one, its own, its setting's."""
    return {
        "PATH": USUAL_PATH,
        **job.image.environment,
        **FIXED_ENVIRONMENT,
        "HOSTNAME": job.setting.hostname,
        **job.environment,
        **job.setting.environment,
    }

"""Jobs in another setting than every job has: what an engine can vary, and how.

VaryingEngine gives the job what it finds mounted; the rest is done by the engine. A personality
(addresses, version of the kernel) and the CPUs are inherited, so that runc is started
by programs of util-linux that set them.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprun.engines.base import (
    UMASK,
    WORKSPACE,
    ContainerEngine,
    ContainerJob,
    ContainerResult,
    EngineStatus,
    Mount,
    Output,
    Setting,
)
from reprun.engines.moved_clock import LIBRARY, MACHINE, library
from reprun.files import scratch
from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified

CLOCK = "/elsewhere-clock"
"""Where a job finds the library that moves its clock."""


def first_cpu() -> str:
    """Return the number of the first CPU that this process may use."""
    return str(min(os.sched_getaffinity(0)))


def started_by(setting: Setting) -> list[str]:
    """Return the command that starts runc for a job in a setting; empty for the usual one."""
    flags = ["-R"] * setting.fixed_addresses + ["--uname-2.6"] * setting.old_kernel
    cpu = ["taskset", "-c", first_cpu()] if setting.one_cpu else []
    return [*cpu, *(["setarch", *flags] if flags else [])]


def lack(setting: Setting, engine: str) -> str | None:
    """Return why an engine cannot run a job in a setting; None where it can."""
    if setting.user is not None and os.geteuid() != 0:
        return "only root gives files to another user"
    if setting.one_cpu and len(os.sched_getaffinity(0)) == 1:
        return "there is one CPU only"
    if setting.days_ahead and platform.machine() != MACHINE:
        return f"the clock is moved on {MACHINE} only"
    if engine != "runc":
        inherited = {
            "umask": setting.umask != UMASK,
            "layout of addresses": setting.fixed_addresses,
            "version of the kernel": setting.old_kernel,
        }
        return next(
            (f"{engine} sets no {what}" for what, asked in inherited.items() if asked), None
        )
    programs = [name for name in started_by(setting) if name in ("taskset", "setarch")]
    missing = next((name for name in programs if shutil.which(name) is None), None)
    return f"{missing} (of util-linux) is not installed" if missing else None


@dataclass(frozen=True, slots=True)
class VaryingEngine:
    """An engine that runs every job in a setting of its own choice."""

    engine: ContainerEngine
    setting: Setting
    _giving: threading.Lock

    @property
    def name(self) -> str:
        """That of the engine."""
        return self.engine.name

    @property
    def converses(self) -> bool:
        """As the engine."""
        return self.engine.converses

    def self_check(self) -> EngineStatus:
        """As the engine."""
        return self.engine.self_check()

    def prepare(self, image: Image) -> Verified | None:
        """As the engine."""
        return self.engine.prepare(image)

    def sweep(self) -> list[str]:
        """As the engine."""
        return self.engine.sweep()

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """Run a job in the setting; see `ContainerEngine.run`."""
        job = moved(replace(job, setting=self.setting))
        with ExitStack() as held:
            if self.setting.days_ahead:
                job = held.enter_context(_with_clock(job))
            if self.setting.user is not None:
                held.enter_context(self._given(job, self.setting.user))
            return self.engine.run(job, stdout=stdout, stderr=stderr, cancel=cancel)

    @contextmanager
    def _given(self, job: ContainerJob, user: int) -> Iterator[None]:
        """Let a user write where the job may, and take back what it made."""
        writable = [mount.source for mount in job.mounts if not mount.read_only]
        with self._giving:
            for directory in writable:
                _open_to_all(directory)
        try:
            yield
        finally:
            with self._giving:
                for directory in writable:
                    _take_back(directory, user)


def varying(engine: ContainerEngine, setting: Setting | None) -> ContainerEngine:
    """Return an engine for jobs in a setting; the engine itself for the usual one."""
    return engine if setting is None else VaryingEngine(engine, setting, threading.Lock())


def moved(job: ContainerJob) -> ContainerJob:
    """Return a job that finds its workspace where its setting says."""
    there = job.setting.workspace

    def place(path: str) -> str:
        inside = path == WORKSPACE or path.startswith(f"{WORKSPACE}/")
        return there + path[len(WORKSPACE) :] if inside else path

    return replace(
        job,
        mounts=[Mount(m.source, place(m.target), m.read_only) for m in job.mounts],
        hidden=[place(path) for path in job.hidden],
        working_directory=place(job.working_directory),
    )


@contextmanager
def _with_clock(job: ContainerJob) -> Iterator[ContainerJob]:
    """Give a job that preloads a library with another clock."""
    with scratch() as home:
        (home / LIBRARY).write_bytes(library(job.setting.days_ahead))
        variables = {**job.setting.environment, "LD_PRELOAD": f"{CLOCK}/{LIBRARY}"}
        yield replace(
            job,
            mounts=[*job.mounts, Mount(home, CLOCK)],
            setting=replace(job.setting, environment=variables),
        )


# A step may put links where files were, so that nothing here is opened by its path.


def _open_to_all(directory: Path) -> None:
    """Let everybody write in a directory and all below it."""
    for _, _, descriptor in _walked(directory):
        os.fchmod(descriptor, 0o777)


def _take_back(directory: Path, user: int) -> None:
    """Let what a user made below a directory belong to this process's user."""
    owner = os.getuid(), os.getgid()
    for _, names, descriptor in _walked(directory):
        if os.fstat(descriptor).st_uid == user:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, 0o777)
        for name in names:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if found.st_uid == user and not stat.S_ISDIR(found.st_mode):
                os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)


def _walked(directory: Path) -> Iterator[tuple[str, list[str], int]]:
    for path, _, names, descriptor in os.fwalk(directory, follow_symlinks=False):
        yield path, names, descriptor

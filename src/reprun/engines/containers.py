"""Containers of runc, whoever wants one: started from a configuration, followed, ended, removed.

Below the store:

    runc/state/          runc's own state (`runc --root`)
    runc/bundles/<id>/   config.json of a container while it lives; its id has its owner's mark
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from reprun.engines import cgroups
from reprun.engines.base import ContainerResult, Ending, Limits, Output
from reprun.engines.runtime_config import kernel_since
from reprun.errors import EngineError
from reprun.files import leftovers, start_time, storage_errors, temporary_directory
from reprun.progress import announced
from reprun.store.store import Store

POLL_SECONDS = 0.1
KILL_SECONDS = 10.0
INSTALL_HINT = "apt-get install runc   # also where Docker runs the steps"


class Containers:
    """Runs containers with runc alone, as root or rootless."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.rootless = os.geteuid() != 0

    def version(self) -> str:
        """Return the version of runc; raise EngineError where it is not installed."""
        said = subprocess.run(
            announced([_program(), "--version"]), capture_output=True, text=True, check=False
        )
        return said.stdout.split("\n", 1)[0].removeprefix("runc version ").strip()

    def bundle(self, config: dict[str, Any]) -> Bundle:
        """Return the directory of a new container; it is removed on leaving its block."""
        home = self._store.directory("runc/bundles")
        with storage_errors(self._store.root):
            bundle = Bundle(self, temporary_directory(home))
            bundle.write(config)
        return bundle

    def limited(self, config: dict[str, Any], bundle: Bundle, limits: Limits) -> dict[str, Any]:
        """Return a configuration with the limits of a control group, where there may be one."""
        if self.rootless:
            return _limited_by_process(config, limits)
        resources = cgroups.resources(
            cpus=limits.cpus, memory=limits.memory_bytes, processes=limits.processes
        )
        linux = config["linux"]
        linux = {**linux, "resources": linux["resources"] | resources}
        return {**config, "linux": {**linux, "cgroupsPath": bundle.cgroup}}

    def run(
        self,
        bundle: Bundle,
        *,
        stdout: Output,
        stderr: Output,
        cancel: threading.Event,
        seconds: float | None = None,
        keeps: Sequence[int] = (),
        terminal: bool = False,
        started_by: Sequence[str] = (),
    ) -> ContainerResult:
        """Run the container of a bundle to its end; see `ContainerEngine.run`.

        runc keeps the descriptors in `keeps` open as long as the container lives. With `terminal`
        it passes on what is typed here, Ctrl-C included, and the size of the window.
        `started_by` is a command that starts runc with what its processes inherit.
        """
        stream = None if terminal else subprocess.PIPE
        log = bundle.path / "runc.log"
        started = time.monotonic()
        process = subprocess.Popen(
            announced(
                [
                    *started_by,
                    *self.command("--log", str(log), "run", "--keep", "--bundle", str(bundle.path)),
                    bundle.name,
                ]
            ),
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=not terminal,  # Ctrl-C reaches reprun, which then ends the container
            pass_fds=keeps,
        )
        try:
            stopped = self._follow(
                process, bundle, seconds=seconds, outputs=(stdout, stderr), cancel=cancel
            )
            spent = _reap(process)
        except BaseException:
            self._kill(process, bundle)
            raise
        wall = time.monotonic() - started
        usage = spent if self.rootless else cgroups.usage(bundle.cgroup)
        code = process.returncode
        if stopped is None and code != 0 and (fault := _fatal(log)):
            raise EngineError(f"runc could not start the container: {fault}", hint="reprun doctor")
        starved = usage.killed and code != 0
        ending = stopped or (Ending.OUT_OF_MEMORY if starved else Ending.EXITED)
        return ContainerResult(ending, code, wall, usage.cpu_seconds, usage.peak_memory_bytes)

    def sweep(self) -> list[str]:
        """Remove what processes that are gone have left."""
        bundles = self._store.root / "runc" / "bundles"
        # A runc that was only starting may make its container after the bundle was removed.
        found = [*leftovers(bundles), *leftovers(self._store.root / "runc" / "state")]
        names = sorted({path.name for path in found})
        for name in names:
            Bundle(self, bundles / name).remove()
        return names

    def command(self, *arguments: str) -> list[str]:
        """Return a command of runc on the containers of this store; raise EngineError without."""
        return [_program(), "--root", str(self._store.directory("runc/state")), *arguments]

    def state_of(self, name: str) -> Path:
        """Return where runc keeps the state of a container."""
        return self._store.root / "runc" / "state" / name

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        bundle: Bundle,
        *,
        seconds: float | None,
        outputs: tuple[Output, Output],
        cancel: threading.Event,
    ) -> Ending | None:
        """Pass on the streams until the process ends; return why it was stopped, if it was."""
        stopped: Ending | None = None
        deadline = None if seconds is None else time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            streams = (process.stdout, process.stderr)
            for stream, output in zip(streams, outputs, strict=True):
                if stream is None:  # it has our terminal
                    continue
                selector.register(stream, selectors.EVENT_READ, output)
            while selector.get_map():
                for key, _ in selector.select(POLL_SECONDS):
                    source: IO[bytes] = key.fileobj  # type: ignore[assignment]
                    if data := os.read(source.fileno(), 1 << 16):
                        key.data(data)
                    else:
                        selector.unregister(source)
                        source.close()
                if stopped is None:
                    if cancel.is_set():
                        stopped = Ending.CANCELLED
                    elif deadline is not None and time.monotonic() > deadline:
                        stopped = Ending.TIMED_OUT
                    if stopped:
                        self._kill(process, bundle)
        return stopped

    def _kill(self, process: subprocess.Popen[bytes], bundle: Bundle) -> None:
        """End a container that may not yet have begun."""
        deadline = time.monotonic() + KILL_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            subprocess.run(
                announced(self.command("kill", bundle.name, "KILL")),
                capture_output=True,
                check=False,
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Bundle:
    """The directory of one container; removed with the container on leaving the block."""

    containers: Containers
    path: Path

    @property
    def name(self) -> str:
        """The name of the container."""
        return self.path.name

    @property
    def cgroup(self) -> str:
        """Its control group, where it has one."""
        return f"/reprun/{self.name}"

    def write(self, config: dict[str, Any]) -> None:
        """Write its configuration."""
        (self.path / "config.json").write_text(json.dumps(config))

    def __enter__(self) -> Self:
        """Return the bundle."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.remove()

    def remove(self) -> None:
        """Delete the container, whatever state it is in, and its directory."""
        state = self.containers.state_of(self.name)
        if state.exists() and not _taken_away(state):
            subprocess.run(
                announced(self.containers.command("delete", "--force", self.name)),
                capture_output=True,
                check=False,
            )
        shutil.rmtree(self.path, ignore_errors=True)


def _taken_away(state: Path) -> bool:
    """Remove a container that has ended, in a tenth of the time of `runc delete`; tell whether.

    Its first process takes all others of its space of process
    numbers with it, and no control group goes while there is a process in it.
    """
    try:
        known = json.loads((state / "state.json").read_bytes())
        if start_time(known["init_process_pid"]) == str(known["init_process_start"]):
            return False
        for group in known["cgroup_paths"].values():
            with suppress(FileNotFoundError):
                Path(group).rmdir()
        shutil.rmtree(state)
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return False
    return True


def counts_processes() -> bool:
    """Tell whether a container without a control group can be limited in its processes.

    RLIMIT_NPROC counts within a user name space since Linux 5.14. Before, it counts all
    processes of the user on this machine, and would fail steps for what others run.
    """
    return kernel_since(5, 14)


def _limited_by_process(config: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return a configuration with what the kernel limits without a control group."""
    bounds = {"RLIMIT_DATA": limits.memory_bytes}
    if counts_processes():
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        bounds["RLIMIT_NPROC"] = limits.processes if most < 0 else min(limits.processes, most)
    process = config["process"]
    added = [{"type": name, "hard": value, "soft": value} for name, value in bounds.items()]
    return {**config, "process": {**process, "rlimits": [*process["rlimits"], *added]}}


def _program() -> str:
    """Return where runc is; raise EngineError where it is not installed."""
    program = shutil.which("runc") or shutil.which("runc", path="/usr/sbin:/sbin")
    if program is None:
        raise EngineError("runc is not installed", hint=INSTALL_HINT)
    return program


def _reap(process: subprocess.Popen[bytes]) -> cgroups.Usage:
    """Wait for runc; return what it and all it waited for used, itself included.

    The memory is that of the largest single process.
    """
    if process.returncode is not None:
        return cgroups.Usage(None, None, killed=False)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return cgroups.Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, killed=False)


def _fatal(log: Path) -> str | None:
    """Return what runc itself complained of, as apart from the program in the container."""
    with suppress(OSError):
        for line in reversed(log.read_text(errors="replace").splitlines()):
            if "level=error" in line and 'msg="' in line:
                return line.partition('msg="')[2].rpartition('"')[0].replace('\\"', '"')
    return None

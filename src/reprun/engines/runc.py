"""The embedded engine: runc starts a job from layers unpacked once into the store.

No daemon and no image load; a job costs a few tens of milliseconds. Below the store:

    runc/state/          runc's own state (`runc --root`)
    runc/bundles/<id>/   config.json and the owner of a container while it lives
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from reprun.engines import cgroups, owner, runtime_config
from reprun.engines.base import (
    WORKSPACE,
    ContainerJob,
    ContainerResult,
    Ending,
    EngineStatus,
    Mount,
    Output,
    environment_of,
)
from reprun.engines.bytecode import bytecode_mounts
from reprun.engines.mountpoints import root_with
from reprun.errors import EngineError
from reprun.files import storage_errors
from reprun.images.model import Image
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import announced
from reprun.store.store import Store

POLL_SECONDS = 0.1
KILL_SECONDS = 10.0
INSTALL_HINT = "apt-get install runc   # or the same command with --engine docker"


class RuncEngine:
    """Runs containers with runc alone, as root or rootless."""

    name = "runc"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rootless = os.geteuid() != 0
        self._roots: dict[str, Path] = {}
        self._bytecode: dict[str, tuple[Mount, ...]] = {}
        self._preparing = threading.Lock()

    def self_check(self) -> EngineStatus:
        """Start a container that does nothing, made of the host's own `true`."""
        program = shutil.which("runc") or shutil.which("runc", path="/usr/sbin:/sbin")
        if program is None:
            raise EngineError("runc is not installed", hint=INSTALL_HINT)
        said = subprocess.run(
            announced([program, "--version"]), capture_output=True, text=True, check=False
        )
        version = said.stdout.split("\n", 1)[0].removeprefix("runc version ").strip()
        root = self._store.directory("runc/self-check")
        host = [Path(name) for name in ("/usr", "/bin", "/lib", "/lib64") if Path(name).exists()]
        for path in host:
            (root / path.name).mkdir(exist_ok=True)
        config = runtime_config.configuration(
            root=root,
            argv=["/usr/bin/true"],
            environment={"PATH": "/usr/bin:/bin"},
            working_directory="/",
            mounts=[runtime_config.bind(path, str(path), read_only=True) for path in host],
            rootless=self._rootless,
        )
        for name in ("proc", "dev", "sys", "tmp"):
            (root / name).mkdir(exist_ok=True)
        with self._bundle(config) as bundle:
            ended = subprocess.run(
                announced(self._command("run", "--bundle", str(bundle.path), bundle.name)),
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
        if ended.returncode != 0:
            said_wrong = (ended.stderr.strip() or "no message").splitlines()[-1]
            raise EngineError(
                f"runc cannot start a container on this host: {said_wrong}",
                hint="reprun doctor   # or the same command with --engine docker",
            )
        return EngineStatus(self.name, version, self._unenforced())

    def prepare(self, image: Image) -> None:
        """Unpack the image once; later only look whether it is still as it was unpacked."""
        with self._preparing:
            # runc refuses a root below a link, and caches are often links to a larger disk.
            self._roots[image.image_id] = unpacked_root(image, self._store).resolve()
            self._bytecode.setdefault(image.image_id, ())
            self._bytecode[image.image_id] = bytecode_mounts(image, self._store, self)

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """Run a job; see `ContainerEngine.run`."""
        if job.image.image_id not in self._roots:
            self.prepare(job.image)
        config = runtime_config.configuration(
            root=self._roots[job.image.image_id],
            argv=list(job.argv),
            environment=environment_of(job),
            working_directory=job.working_directory,
            mounts=[
                *(
                    runtime_config.bind(m.source, m.target, read_only=m.read_only)
                    for m in (*self._bytecode[job.image.image_id], *job.mounts)
                ),
                *(runtime_config.tmpfs(path, 1 << 20) for path in job.hidden),
            ],
            rootless=self._rootless,
            tmp_bytes=job.limits.tmp_bytes,
            # Without a control group of its own only each single process can be held down.
            rlimits={"RLIMIT_DATA": job.limits.memory_bytes} if self._rootless else {},
            network=job.network,
        )
        with self._bundle(config) as bundle:
            self._add_mount_points(bundle, config, job)
            if not self._rootless:
                limits = job.limits
                config["linux"]["resources"] |= cgroups.resources(
                    cpus=limits.cpus, memory=limits.memory_bytes, processes=limits.processes
                )
                config["linux"]["cgroupsPath"] = bundle.cgroup
                bundle.write(config)
            return self._run_bundle(bundle, job, stdout, stderr, cancel)

    def _add_mount_points(self, bundle: _Bundle, config: dict[str, Any], job: ContainerJob) -> None:
        inside = f"{WORKSPACE}/"  # what lies there is made by whoever fills the workspace
        targets = [m.target for m in job.mounts if not m.target.startswith(inside)]
        with storage_errors(self._store.root):
            root, mounts = root_with(
                self._roots[job.image.image_id], targets, bundle.path, network=job.network
            )
            if mounts:
                config["root"]["path"] = str(root)
                config["mounts"] = [*mounts, *config["mounts"]]
                bundle.write(config)

    def sweep(self) -> list[str]:
        """Remove what processes that are gone have left."""
        swept = []
        for path in sorted(self._store.directory("runc/bundles").iterdir()):
            with suppress(FileNotFoundError):
                if owner.is_gone((path / "owner").read_text()):
                    _Bundle(self, path).remove()
                    swept.append(path.name)
        return swept

    # -- one container ---------------------------------------------------------------------

    def _run_bundle(
        self,
        bundle: _Bundle,
        job: ContainerJob,
        stdout: Output,
        stderr: Output,
        cancel: threading.Event,
    ) -> ContainerResult:
        log = bundle.path / "runc.log"
        started = time.monotonic()
        process = subprocess.Popen(
            announced(
                self._command(
                    "--log", str(log), "run", "--keep", "--bundle", str(bundle.path), bundle.name
                )
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches reprun, which then ends the container
        )
        try:
            stopped = self._follow(
                process,
                bundle,
                seconds=job.limits.seconds,
                outputs=(stdout, stderr),
                cancel=cancel,
            )
            spent = _reap(process)
        except BaseException:
            self._kill(process, bundle)
            raise
        wall = time.monotonic() - started
        usage = cgroups.usage(bundle.cgroup) if not self._rootless else spent
        code = process.returncode
        if stopped is None and code != 0 and (fault := _fatal(log)):
            raise EngineError(f"runc could not start the container: {fault}", hint="reprun doctor")
        starved = usage.killed and code != 0
        ending = stopped or (Ending.OUT_OF_MEMORY if starved else Ending.EXITED)
        return ContainerResult(ending, code, wall, usage.cpu_seconds, usage.peak_memory_bytes)

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        bundle: _Bundle,
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
                assert stream is not None
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

    def _kill(self, process: subprocess.Popen[bytes], bundle: _Bundle) -> None:
        """End a container that may not yet have begun."""
        deadline = time.monotonic() + KILL_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            subprocess.run(
                announced(self._command("kill", bundle.name, "KILL")),
                capture_output=True,
                check=False,
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        process.kill()
        process.wait()

    def _command(self, *arguments: str) -> list[str]:
        program = shutil.which("runc") or shutil.which("runc", path="/usr/sbin:/sbin") or "runc"
        return [program, "--root", str(self._store.directory("runc/state")), *arguments]

    def _bundle(self, config: dict[str, Any]) -> _Bundle:
        name = f"reprun-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        bundle = _Bundle(self, self._store.directory("runc/bundles") / name)
        with storage_errors(self._store.root):
            bundle.path.mkdir()
            (bundle.path / "owner").write_text(owner.this_process())
            bundle.write(config)
        return bundle

    def _unenforced(self) -> tuple[str, ...]:
        if not self._rootless:
            return cgroups.unenforced()
        return ("memory limit of the whole job (each process has it)", "CPU limit", "process limit")


@dataclass(frozen=True, slots=True)
class _Bundle:
    """The directory of one container; removed with the container on leaving the block."""

    engine: RuncEngine
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def cgroup(self) -> str:
        return f"/reprun/{self.name}"

    def write(self, config: dict[str, Any]) -> None:
        (self.path / "config.json").write_text(json.dumps(config))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Delete the container, whatever state it is in, and its directory."""
        state = self.engine._store.root / "runc" / "state" / self.name  # noqa: SLF001
        if state.exists():
            subprocess.run(
                announced(self.engine._command("delete", "--force", self.name)),  # noqa: SLF001
                capture_output=True,
                check=False,
            )
        shutil.rmtree(self.path, ignore_errors=True)


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

"""The Docker engine: the daemon's API through the Docker SDK for Python.

A Podman service that speaks the same API on `DOCKER_HOST` is taken for a Docker daemon.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import docker
import docker.errors
import docker.types
import requests.exceptions

from reprun.engines.base import (
    OWNER_LABEL,
    SHM_BYTES,
    ULIMIT_FILES,
    ContainerJob,
    ContainerResult,
    Ending,
    EngineStatus,
    Mount,
    Output,
    environment_of,
)
from reprun.engines.bytecode import bytecode_mounts
from reprun.engines.notes import noted
from reprun.engines.seccomp import SECCOMP
from reprun.engines.varied import first_cpu
from reprun.errors import EngineError, IntegrityError
from reprun.files import is_gone, mark
from reprun.images.model import Image
from reprun.images.oci.archive import docker_archive
from reprun.images.stored import verify_stored
from reprun.progress import announced
from reprun.store.store import Store

if TYPE_CHECKING:
    from docker.models.containers import Container

PROGRAM = "docker"
DEFAULT_URL = "unix:///var/run/docker.sock"
ANSWER_SECONDS = 5
WATCH_SECONDS = 0.1
SAMPLE_SECONDS = 0.5
LONG_SECONDS = 86_400


class DockerEngine:
    """Runs containers on the Docker daemon that `DOCKER_HOST` (or the default socket) names."""

    name = "docker"

    def __init__(self, store: Store, *, base_url: str | None = None) -> None:
        self._store = store
        self._base_url = base_url
        self._connected: docker.DockerClient | None = None
        self._loaded: dict[str, str] = {}
        self._bytecode: dict[str, tuple[Mount, ...]] = {}
        self._preparing = threading.Lock()

    @classmethod
    def at(cls, address: str, store: Store) -> DockerEngine:
        """Return the engine of a daemon by its address; the environment's with all it says."""
        return cls(store, base_url=None if address == cls(store)._address else address)  # noqa: SLF001

    @property
    def converses(self) -> bool:
        """Whether the program `docker` is here, which gives a container our terminal."""
        return shutil.which(PROGRAM) is not None

    @property
    def _address(self) -> str:
        return self._base_url or os.environ.get("DOCKER_HOST") or DEFAULT_URL

    @property
    def _client(self) -> docker.DockerClient:
        if self._connected is None:
            try:
                self._connected = self._connect(LONG_SECONDS)
            except docker.errors.DockerException as error:
                raise self._no_answer(error) from error
        return self._connected

    def close(self) -> None:
        """Close the connections to the daemon."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def _connect(self, seconds: int) -> docker.DockerClient:
        _check_socket(self._address)
        if self._base_url is not None:
            return docker.DockerClient(base_url=self._base_url, timeout=seconds)
        return docker.from_env(timeout=seconds)

    @staticmethod
    def _no_answer(error: Exception) -> EngineError:
        return EngineError(
            f"no Docker daemon answers: {_sentence(error)}",
            hint="docker info   # start the daemon, or set DOCKER_HOST, or use --engine runc",
        )

    def self_check(self) -> EngineStatus:
        """Ask the daemon for its version."""
        try:
            with closing(self._connect(ANSWER_SECONDS)) as client:
                version: dict[str, Any] = client.version()
                information: dict[str, Any] = client.info()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise self._no_answer(error) from error
        if information.get("OSType", "linux") != "linux":
            raise EngineError("the Docker daemon does not run Linux containers")
        wanted = {
            "memory limit": "MemoryLimit",
            "CPU limit": "CpuCfsQuota",
            "process limit": "PidsLimit",
        }
        missing = tuple(label for label, key in wanted.items() if not information.get(key, True))
        return EngineStatus(self.name, str(version.get("Version", "unknown")), missing)

    def prepare(self, image: Image) -> None:
        """Load the image into the daemon unless an image with these very layers is there."""
        with self._preparing:
            verify_stored(image, self._store)
            if image.image_id not in self._loaded:
                with _engine_errors(f"the Docker daemon refuses image {image.name}"):
                    self._loaded[image.image_id] = self._find(image) or self._load(image)
                self._bytecode[image.image_id] = ()
                self._bytecode[image.image_id] = bytecode_mounts(image, self._store, self)

    def _find(self, image: Image) -> str | None:
        """Return the daemon's name of the image.

        A classic image store names it by the config, a containerd one by the manifest: either
        is accepted, and the layers decide.
        """
        for name in (image.image_id, image.manifest):
            with suppress(docker.errors.ImageNotFound):
                found = self._client.images.get(name)
                layers = found.attrs.get("RootFS", {}).get("Layers", [])
                if layers == [layer.digest for layer in image.layers]:
                    return str(found.id)
        return None

    def _load(self, image: Image) -> str:
        reading, writing = os.pipe()
        failure: list[BaseException] = []

        def write() -> None:
            try:
                with os.fdopen(writing, "wb") as stream:
                    docker_archive(image, self._store, stream)
            except BrokenPipeError:
                pass  # the daemon's own complaint says why it stopped reading
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                failure.append(error)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        try:
            with os.fdopen(reading, "rb") as stream:
                self._client.images.load(stream)
        except docker.errors.DockerException:
            writer.join()
            if not failure:
                raise
        writer.join()
        if failure:
            raise failure[0]
        if (name := self._find(image)) is None:
            raise IntegrityError(
                f"the Docker daemon loaded {image.name} with a different image ID, "
                f"expected {image.image_id}",
                hint="type the same command with --engine runc",
            )
        return name

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """Run a job; see `ContainerEngine.run`."""
        if job.image.image_id not in self._loaded:
            self.prepare(job.image)
        with (
            _engine_errors("the Docker daemon failed to run the container"),
            noted(self._store, self._address),
        ):
            container = self._create(job)
            try:
                if job.terminal:
                    return self._converse(container)
                return self._follow(container, job, stdout, stderr, cancel)
            finally:
                with suppress(docker.errors.NotFound):
                    # With the volumes that the image of somebody else may declare.
                    container.remove(force=True, v=True)

    def _create(self, job: ContainerJob) -> Container:
        limits = job.limits
        mounts = [
            docker.types.Mount(m.target, str(m.source), type="bind", read_only=m.read_only)
            for m in (*self._bytecode[job.image.image_id], *job.mounts)
        ]
        options = "rw,nosuid,nodev,mode=1777"
        tmpfs = {"/tmp": f"{options},exec,size={limits.tmp_bytes}"}
        tmpfs |= dict.fromkeys(job.hidden, f"{options},size={1 << 20}")
        return self._client.containers.create(
            self._loaded[job.image.image_id],
            list(job.argv),
            entrypoint="",
            working_dir=job.working_directory,
            environment=environment_of(job),
            mounts=mounts,
            tmpfs=tmpfs,
            user=f"{os.getuid()}:{os.getgid()}"
            if job.setting.user is None
            else f"{job.setting.user}:{job.setting.user}",
            cpuset_cpus=first_cpu() if job.setting.one_cpu else None,
            hostname=job.setting.hostname,
            network_mode="host" if job.network else "none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true", f"seccomp={json.dumps(SECCOMP)}"],
            ipc_mode="private",
            shm_size=SHM_BYTES,
            pids_limit=limits.processes,
            mem_limit=limits.memory_bytes,
            memswap_limit=limits.memory_bytes,
            nano_cpus=int(limits.cpus * 1e9),
            ulimits=[
                docker.types.Ulimit(name="core", soft=0, hard=0),
                docker.types.Ulimit(name="nofile", soft=ULIMIT_FILES, hard=ULIMIT_FILES),
            ],
            labels={OWNER_LABEL: mark()},
            detach=True,
            tty=job.terminal,
            stdin_open=job.terminal,
        )

    def _converse(self, container: Container) -> ContainerResult:
        """Let somebody type in a container; Docker's own program knows how terminals behave."""
        command = [PROGRAM, "--host", self._address, "start", "--attach", "--interactive"]
        started = time.monotonic()
        ended = subprocess.run(announced([*command, str(container.id)]), check=False)
        wall = time.monotonic() - started
        return ContainerResult(Ending.EXITED, ended.returncode, wall, None, None)

    def _follow(
        self,
        container: Container,
        job: ContainerJob,
        stdout: Output,
        stderr: Output,
        cancel: threading.Event,
    ) -> ContainerResult:
        stream: Any = container.attach(stdout=True, stderr=True, stream=True, logs=True, demux=True)
        started = time.monotonic()
        try:
            container.start()
        except docker.errors.APIError as error:
            raise EngineError(
                f"docker could not start the container: {error.explanation or error}",
                hint="reprun doctor",
            ) from error
        # The SDK's own close() leaves the connection open.
        with (
            closing(stream._response),  # noqa: SLF001
            _Watch(container, job.limits.seconds, cancel) as watch,
        ):
            for out, err in stream:
                if out:
                    stdout(out)
                if err:
                    stderr(err)
            code = int(container.wait()["StatusCode"])
        wall = time.monotonic() - started
        container.reload()
        starved = bool(container.attrs["State"].get("OOMKilled")) and code != 0
        ending = watch.stopped or (Ending.OUT_OF_MEMORY if starved else Ending.EXITED)
        return ContainerResult(ending, code, wall, watch.cpu_seconds, watch.peak_memory_bytes)

    def sweep(self) -> list[str]:
        """Remove containers that carry our label and whose owner is gone."""
        swept = []
        with _engine_errors("the Docker daemon does not list its containers"):
            found = self._client.containers.list(
                all=True, filters={"label": OWNER_LABEL}, ignore_removed=True
            )
            for container in found:
                if is_gone(container.labels[OWNER_LABEL]):
                    with suppress(docker.errors.NotFound):
                        container.remove(force=True, v=True)
                    swept.append(str(container.name))
        return swept


class _Watch:
    """Beside a running container: ends it on time-out or cancellation, samples its usage.

    The figures are those of the last sample, so the end of a job may be missing in them.
    """

    def __init__(
        self, container: Container, seconds: float | None, cancel: threading.Event
    ) -> None:
        self.stopped: Ending | None = None
        self.cpu_seconds: float | None = None
        self.peak_memory_bytes: int | None = None
        self._container = container
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._cancel = cancel
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        next_sample = time.monotonic() + WATCH_SECONDS
        while not self._done.wait(WATCH_SECONDS):
            if self._cancel.is_set():
                self.stopped = Ending.CANCELLED
            elif self._deadline is not None and time.monotonic() > self._deadline:
                self.stopped = Ending.TIMED_OUT
            if self.stopped:
                with suppress(docker.errors.APIError):
                    self._container.kill()
                return
            if time.monotonic() >= next_sample:
                self._sample()
                next_sample = time.monotonic() + SAMPLE_SECONDS

    def _sample(self) -> None:
        with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
            sample: Any = self._container.stats(stream=False, one_shot=True)
            memory = sample.get("memory_stats", {})
            if peak := memory.get("max_usage", memory.get("usage")):
                self.peak_memory_bytes = max(self.peak_memory_bytes or 0, int(peak))
            if total := sample.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage"):
                self.cpu_seconds = int(total) / 1e9


def _check_socket(url: str) -> None:
    """Raise DockerException when nobody listens on a Unix socket.

    The SDK would tell too, in a long chain of exceptions and with its own socket left open.
    """
    if not url.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_SECONDS)
        path = url.removeprefix("unix://")
        try:
            probe.connect(path)
        except OSError as error:
            raise docker.errors.DockerException(f"{path}: {error.strerror or error}") from error


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EngineError(f"{what}: {_sentence(error)}", hint="docker info") from error


def _sentence(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error).splitlines()[0]

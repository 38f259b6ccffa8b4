"""The embedded engine: runc starts a job from layers unpacked once into the store.

No daemon and no image load; a job costs a few tens of milliseconds.
"""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

from reprun.engines import cgroups, runtime_config
from reprun.engines.base import (
    ContainerJob,
    ContainerResult,
    EngineStatus,
    Mount,
    Output,
    environment_of,
)
from reprun.engines.bytecode import bytecode_mounts
from reprun.engines.containers import Bundle, Containers, counts_processes
from reprun.engines.mountpoints import root_with
from reprun.engines.varied import started_by
from reprun.errors import EngineError
from reprun.files import storage_errors
from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified
from reprun.images.rootfs.unpack import unpacked_root, verified_root
from reprun.progress import announced
from reprun.store.store import Store


class RuncEngine:
    """Runs containers with runc alone, as root or rootless."""

    name = "runc"
    converses = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._containers = Containers(store)
        self._roots: dict[str, Path] = {}
        self._verified: dict[str, Verified] = {}
        self._bytecode: dict[str, tuple[Mount, ...]] = {}
        self._preparing = threading.Lock()

    def self_check(self) -> EngineStatus:
        """Start a container that does nothing, made of the host's own `true`."""
        version = self._containers.version()
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
            rootless=self._containers.rootless,
        )
        for name in ("proc", "dev", "sys", "tmp"):
            (root / name).mkdir(exist_ok=True)
        with self._containers.bundle(config) as bundle:
            ended = subprocess.run(
                announced(
                    self._containers.command("run", "--bundle", str(bundle.path), bundle.name)
                ),
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

    def prepare(self, image: Image) -> Verified:
        """Unpack the image once; later look whether it is still as it was unpacked."""
        with self._preparing:
            verified = self._verified.get(image.image_id)
            if verified is None:
                root, verified = verified_root(image, self._store)
            else:  # some of its files were read in this run
                root = unpacked_root(image, self._store)
            self._verified[image.image_id] = verified
            # runc refuses a root below a link, and caches are often links to a larger disk.
            self._roots[image.image_id] = root.resolve()
            self._bytecode.setdefault(image.image_id, ())
            self._bytecode[image.image_id] = bytecode_mounts(image, self._store, self)
            return verified

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
            rootless=self._containers.rootless,
            tmp_bytes=job.limits.tmp_bytes,
            network=job.network,
            terminal=job.terminal,
            hostname=job.setting.hostname,
            umask=job.setting.umask,
            user=job.setting.user,
        )
        with self._containers.bundle(config) as bundle:
            self._add_mount_points(bundle, config, job)
            bundle.write(self._containers.limited(config, bundle, job.limits))
            return self._containers.run(
                bundle,
                stdout=stdout,
                stderr=stderr,
                cancel=cancel,
                seconds=job.limits.seconds,
                keeps=job.keeps,
                terminal=job.terminal,
                started_by=started_by(job.setting),
            )

    def _add_mount_points(self, bundle: Bundle, config: dict[str, Any], job: ContainerJob) -> None:
        inside = (
            f"{job.setting.workspace}/"  # what lies there is made by whoever fills the workspace
        )
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
        return self._containers.sweep()

    def _unenforced(self) -> tuple[str, ...]:
        if not self._containers.rootless:
            return cgroups.unenforced()
        processes = () if counts_processes() else ("process limit",)
        return ("memory limit of the whole job (each process has it)", "CPU limit", *processes)

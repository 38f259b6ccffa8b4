"""Byte code of an image, made once by a job of the engine that will use it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from reprun.engines.base import (
    WORKSPACE,
    ContainerEngine,
    ContainerJob,
    Ending,
    Limits,
    Mount,
)
from reprun.images.model import Image
from reprun.images.rootfs.bytecode import COMPILER, compiled
from reprun.store.store import Store

WORKERS = 2


def bytecode_mounts(image: Image, store: Store, engine: ContainerEngine) -> tuple[Mount, ...]:
    """Return the mount of the image's byte code, compiled at the first call; or nothing."""
    found = compiled(image, store, _compiler(image, engine))
    return () if found is None else (Mount(found[0], found[1]),)


def _compiler(image: Image, engine: ContainerEngine) -> Callable[[Path], bool]:
    def compile_into(directory: Path) -> bool:
        job = ContainerJob(
            image=image,
            argv=("python3", "-S", "-c", COMPILER, f"{WORKSPACE}/out", str(WORKERS)),
            mounts=(Mount(directory, WORKSPACE, read_only=False),),
            limits=Limits(cpus=WORKERS),
        )
        result = engine.run(job, stdout=_drop, stderr=_drop, cancel=threading.Event())
        return result.ending is Ending.EXITED and result.exit_code == 0

    return compile_into


def _drop(_: bytes) -> None:
    """Take what nobody reads: a failure only means slower jobs."""

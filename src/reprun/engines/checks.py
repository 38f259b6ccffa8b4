"""What an image says has to work in it, tried in a container: `[check]` of image.toml."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reprun.engines.base import WORKSPACE, ContainerEngine, ContainerJob, Ending, Limits, Mount
from reprun.files import scratch
from reprun.images.model import Image
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import shortened

TITLE = 80
"""Characters of a command that are shown."""
SECONDS = 600.0
"""How long one command may take."""


def first_failure(
    image: Image, commands: Sequence[str], engine: ContainerEngine, store: Store, progress: Progress
) -> str | None:
    """Run command lines in an image, each in an empty workspace; say which fails first and why."""
    if commands:
        engine.prepare(image)
    for command in commands:
        title = shortened(command.strip().splitlines()[0], TITLE)
        progress.say(f"{image.name}: {title}")
        with scratch(store.directory("incoming")) as workspace:
            workspace.chmod(0o777)
            said = bytearray()
            job = ContainerJob(
                image=image,
                argv=("sh", "-c", command),
                mounts=(Mount(workspace, WORKSPACE, read_only=False),),
                limits=Limits(cpus=2, seconds=SECONDS),
            )
            result = engine.run(
                job, stdout=said.extend, stderr=said.extend, cancel=threading.Event()
            )
        if result.ending is not Ending.EXITED or result.exit_code != 0:
            lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
            why = f": {shortened(lines[-1].strip())}" if lines else ""
            ended = (
                f"exit code {result.exit_code}"
                if result.ending is Ending.EXITED
                else str(result.ending)
            )
            return f"`{title}` failed ({ended}){why}"
    return None

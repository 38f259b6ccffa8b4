"""Run one command on one engine in a process of its own, to be killed by the tests."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from reprun.engines.base import ContainerJob, Mount
from reprun.engines.choose import choose_engine, engine_choice
from reprun.images.catalogue.catalogue import Catalogue
from reprun.store.store import Store


def main() -> None:
    name, store_root, images, workspace, script = sys.argv[1:6]
    store = Store(Path(store_root))
    choose_engine(engine_choice(name), store)[0].run(
        ContainerJob(
            image=Catalogue(Path(images)).locked("columnar"),
            argv=("bash", "-c", script),
            mounts=(Mount(Path(workspace), "/work", read_only=False),),
        ),
        stdout=lambda data: None,
        stderr=lambda data: None,
        cancel=threading.Event(),
    )


if __name__ == "__main__":
    main()

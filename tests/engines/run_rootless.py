"""Try runc as an ordinary user; print what happened as JSON. Started by test_rootless.py."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from reprun.engines.base import MIB, ContainerJob, Limits, Mount, Setting
from reprun.engines.runc import RuncEngine
from reprun.engines.varied import varying
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.store.store import Store

FORKS = """
import os, time
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError as error:
    print(made, error.strerror)
"""
SCRIPTS = {
    "exit code": "exit 3",
    "file": "echo text > made; cat made",
    "outside": "echo x > /etc/made",
    "input": "echo x > given",
    "network": "exec 3<>/dev/tcp/127.0.0.1/$(cat port)",
    "memory": "python3 -c 'bytearray(400 << 20)'",
    "processes": f"python3 -c '{FORKS}'",
    "time": "sleep 600",
    "system": 'awk \'$5 ~ "^/sys" && $6 !~ "^ro,|,ro,|,ro$" {print $5}\' /proc/self/mountinfo; '
    "ls -d /sys/kernel",
    "byte code": "python3 -c 'import numpy, os; print(os.path.exists(numpy.__cached__))'",
}


SETTING = Setting(
    workspace="/x/y", umask=0o077, one_cpu=True, old_kernel=True, fixed_addresses=True, days_ahead=5
)
FOUND = "pwd; umask; nproc; uname -r | cut -c 1-4"


def varied(engine: RuncEngine, image: Image, mounts: Sequence[Mount]) -> list[str]:
    """Return what a job finds in a setting that an ordinary user may have."""
    out = bytearray()
    varying(engine, SETTING).run(
        ContainerJob(image, ("bash", "-c", FOUND), mounts),
        stdout=out.extend,
        stderr=out.extend,
        cancel=threading.Event(),
    )
    return out.decode().split()


def main() -> None:
    store_root, images, workspace = (Path(argument) for argument in sys.argv[1:4])
    engine = RuncEngine(Store(store_root))
    image = Catalogue(images).locked("columnar")
    status = engine.self_check()
    engine.prepare(image)
    found: dict[str, object] = {"unenforced": list(status.unenforced)}
    mounts = (
        Mount(workspace, "/work", read_only=False),
        Mount(workspace / "given", "/work/given"),
    )
    for name, script in SCRIPTS.items():
        out = bytearray()
        seconds = 0.5 if name == "time" else 60.0
        result = engine.run(
            ContainerJob(
                image,
                ("bash", "-c", script),
                mounts,
                limits=Limits(memory_bytes=200 * MIB, seconds=seconds),
            ),
            stdout=out.extend,
            stderr=out.extend,
            cancel=threading.Event(),
        )
        found[name] = [
            str(result.ending),
            result.exit_code,
            out.decode(),
            result.cpu_seconds is not None,
        ]
    found["setting"] = varied(engine, image, mounts)
    found["left"] = [path.name for path in (store_root / "runc" / "bundles").iterdir()]
    print(json.dumps(found))


if __name__ == "__main__":
    main()

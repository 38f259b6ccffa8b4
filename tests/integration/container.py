"""One command in one image under plain runc, without the engine that is tested elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from reprun.images.model import Image
from reprun.images.rootfs.unpack import unpacked_root
from reprun.store.store import Store


def run_in(
    image: Image, store: Store, bundle: Path, argv: Sequence[str], mounts: Sequence[object] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command in the image: read-only root, no network, an arbitrary user."""
    ordinary = os.geteuid() != 0
    subprocess.run(["runc", "spec", *(["--rootless"] if ordinary else [])], cwd=bundle, check=True)
    place = bundle / "config.json"
    config = json.loads(place.read_text())
    config["root"] = {"path": str(unpacked_root(image, store).resolve()), "readonly": True}
    config["process"] |= {
        "terminal": False,
        "args": list(argv),
        "cwd": "/work",
        "env": [f"{key}={value}" for key, value in image.environment.items()],
        "capabilities": {},
    }
    config["process"].pop("rlimits", None)
    if not ordinary:
        config["process"]["user"] = {"uid": 4242, "gid": 4242}
    config["mounts"] += [
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
        *mounts,
    ]
    place.write_text(json.dumps(config))
    done = subprocess.run(
        ["runc", "--root", str(bundle / "state"), "run", f"test-{os.getpid()}"],
        cwd=bundle,
        capture_output=True,
        text=True,
        check=False,
    )
    place.unlink()
    return done

"""runc as an ordinary user: the same promises, and what it cannot keep is said."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.ordinary_user import (
    BECOME,
    USER,
    environment_of_the_user,
    home_of_the_user,
    store_of_the_user,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(columnar: Image, store: Store) -> Iterator[Path]:
    """A directory of the user's, with the image in a store of its own."""
    with home_of_the_user(store.root.parent) as directory:
        store_of_the_user(directory / "store", columnar, store)
        (directory / "work").mkdir()
        (directory / "work" / "given").write_text("as given")
        for path in (directory / "work", directory / "work" / "given"):
            os.chown(path, USER, USER)
        yield directory


def test_an_ordinary_user_needs_no_daemon(home: Path) -> None:
    python = environment_of_the_user(home)
    with socket.create_server(("127.0.0.1", 0)) as server:
        (home / "work" / "port").write_text(str(server.getsockname()[1]))
        done = subprocess.run(
            [
                *(*BECOME, python, "-B", str(ROOT / "tests" / "engines" / "run_rootless.py")),
                *(str(home / "store"), str(ROOT / "images"), str(home / "work")),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent"},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["exit code"][:2] == ["exited", 3]
    assert found["file"][:3] == ["exited", 0, "text\n"]
    made = (home / "work" / "made").stat()
    assert (made.st_uid, made.st_gid) == (USER, USER)
    assert found["outside"][1] != 0
    assert "Read-only file system" in found["outside"][2]
    assert found["input"][1] != 0
    assert (home / "work" / "given").read_text() == "as given"
    assert found["network"][1] != 0
    # The container has a loopback of its own, on which nobody listens.
    assert "Connection refused" in found["network"][2]
    assert found["memory"][1] != 0
    assert "MemoryError" in found["memory"][2]
    made, _, why = found["processes"][2].strip().partition(" ")
    assert 200 < int(made) < 256
    assert why == "Resource temporarily unavailable"
    assert found["time"][0] == "timed out"
    # Every mount below /sys is read-only, not the topmost alone.
    assert found["system"][:3] == ["exited", 0, "/sys/kernel\n"]
    assert found["byte code"][:3] == ["exited", 0, "True\n"]
    assert all(found[name][3] for name in ("exit code", "file"))
    assert found["setting"] == ["/x/y", "0077", "1", "2.6."]
    assert found["left"] == []
    assert found["unenforced"] == [
        "memory limit of the whole job (each process has it)",
        "CPU limit",
    ]

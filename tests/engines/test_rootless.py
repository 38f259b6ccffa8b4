"""runc as an ordinary user: the same promises, and what it cannot keep is said."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
USER = 65534


def as_user(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as nobody."""
    return subprocess.run(
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent", **variables},
    )


@pytest.fixture(scope="module")
def python() -> tuple[str, str]:
    """An interpreter that nobody may start, and the path on which it finds our modules."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    path = f"{ROOT / 'src'}:{packages}"
    for candidate in (sys.executable, "/usr/bin/python3"):
        if as_user(candidate, "-B", "-c", "import pydantic", PYTHONPATH=path).returncode == 0:
            return candidate, path
    pytest.fail("no Python here that an ordinary user may start with this environment's packages")


@pytest.fixture
def home(columnar: Image, store: Store) -> Iterator[Path]:
    """A directory of nobody's, with the image in a store of its own."""
    directory = Path(tempfile.mkdtemp(prefix="reprun-rootless-", dir=store.root.parent))
    own = Store(directory / "store")
    for digest in (columnar.image_id, columnar.manifest, *(one.digest for one in columnar.layers)):
        target = own.blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(store.blob_path(digest), target)
    (directory / "work").mkdir()
    (directory / "work" / "given").write_text("as given")
    for path in (directory, *directory.rglob("*")):
        if path.is_dir() or path.name == "given":
            os.chown(path, USER, USER)
    yield directory
    shutil.rmtree(directory)


def test_an_ordinary_user_needs_no_daemon(home: Path, python: tuple[str, str]) -> None:
    interpreter, path = python
    with socket.create_server(("127.0.0.1", 0)) as server:
        (home / "work" / "port").write_text(str(server.getsockname()[1]))
        done = as_user(
            *(interpreter, "-B", str(ROOT / "tests" / "engines" / "run_rootless.py")),
            *(str(home / "store"), str(ROOT / "images"), str(home / "work")),
            PYTHONPATH=path,
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
    assert found["time"][0] == "timed out"
    # Every mount below /sys is read-only, not the topmost alone.
    assert found["system"][:3] == ["exited", 0, "/sys/kernel\n"]
    assert found["byte code"][:3] == ["exited", 0, "True\n"]
    assert all(found[name][3] for name in ("exit code", "file"))
    assert found["left"] == []
    assert found["unenforced"] == [
        "memory limit of the whole job (each process has it)",
        "CPU limit",
        "process limit",
    ]

"""An ordinary user of this machine, for tests that run as root: what runc does rootless."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store

ROOT = Path(__file__).resolve().parents[1]
USER = 65534
# `env`, because setpriv itself keeps the rights of root until it has started something.
BECOME = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env")


def give(directory: Path) -> None:
    """Let the user own a directory and all below it, but for what has names elsewhere."""
    for path in (directory, *directory.rglob("*")):
        if path.is_symlink() or path.is_dir() or path.stat().st_nlink == 1:
            os.chown(path, USER, USER, follow_symlinks=False)


@contextmanager
def home_of_the_user(beside: Path) -> Iterator[Path]:
    """Yield a directory of the user's; pytest's own cannot be entered."""
    directory = Path(tempfile.mkdtemp(prefix="reprun-user-", dir=beside))
    directory.chmod(0o755)
    os.chown(directory, USER, USER)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def store_of_the_user(directory: Path, image: Image, store: Store) -> Store:
    """Return a store of the user's that has an image of another store."""
    own = Store(directory)
    for digest in (image.image_id, image.manifest, *(one.digest for one in image.layers)):
        share(digest, store, own)
    give(directory)
    return own


def share(digest: str, store: Store, own: Store) -> None:
    """Let a store have a blob of another one."""
    target = own.blob_path(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.chown(target.parent, USER, USER)
    if not target.exists():
        os.link(store.blob_path(digest), target)


def environment_of_the_user(directory: Path) -> str:
    """Make a Python environment that the user may start, of what is in ours; return its Python."""
    made = directory / "environment"
    subprocess.run([_interpreter(), "-m", "venv", "--without-pip", str(made)], check=True)
    (site,) = (made / "lib").glob("python*/site-packages")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "ours.pth").write_text(f"{ROOT / 'src'}\n{packages}\n")
    return str(made / "bin" / "python")


def _interpreter() -> str:
    for candidate in (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"):
        check = "import venv, sys; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([*BECOME, candidate, "-c", check], check=False, cwd="/").returncode == 0:
            return candidate
    pytest.fail("no Python 3.11 here that an ordinary user may start")

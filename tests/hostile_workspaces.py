"""Workspaces as a hostile step may leave them, and change them while the host looks.

python -m tests.hostile_workspaces [COUNT] [SEED]   # `make hostile-workspaces` makes 10,000
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from reprun.digests import sha256_bytes, sha256_tree
from reprun.errors import ReprunError
from reprun.workflow.beneath import Beneath
from reprun.workflow.workspace import Given, Workspace

PRECIOUS = b"precious bytes of the host"
NAMES = ("a", "b", "out", "code", "data", "x.json", ".snakemake", "-rf", "new\nline", "é" * 80)
OPERATIONS = 12


class Scene:
    """A workspace, what is given to its run, and what is the host's own."""

    def __init__(self, home: Path, chance: random.Random) -> None:
        self.home = home
        self.chance = chance
        self.outside = home / "outside"
        (self.outside / "below").mkdir(parents=True)
        for path in (self.outside / "precious", self.outside / "below" / "precious"):
            path.write_bytes(PRECIOUS)
        self.root = home / "run" / "workspace"
        self.root.mkdir(parents=True)
        self.taken = home / "run" / "taken"
        self.taken.mkdir()
        inputs = home / "run" / "inputs"
        digests = {}
        for name in {self.path() for _ in range(chance.randint(0, 4))}:
            place = inputs / name
            with suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    place.write_bytes(name.encode())
                    digests[name] = sha256_bytes(name.encode())
        self.workspace = Workspace(self.root, Given(inputs, digests))
        self.before = self.state()

    def state(self) -> object:
        """Return all that is known of what is the host's own."""
        paths = [self.outside, *sorted(self.outside.rglob("*"))]
        kinds = [(str(path), path.lstat().st_mode, path.lstat().st_nlink) for path in paths]
        return kinds, sha256_tree(self.outside), sorted(self.home.iterdir())

    def path(self) -> str:
        """Return a path as a declaration may have it."""
        return "/".join(self.chance.choices(NAMES, k=self.chance.randint(1, 3)))

    def is_inside(self, directory: Path) -> bool:
        """Tell whether a directory is in the workspace once all links are followed."""
        with suppress(OSError, RuntimeError):
            return directory.resolve().is_relative_to(self.root)
        return False

    def plant(self, path: Path) -> None:
        """Put something in the place of a path, whatever was there."""
        other = self.root / self.path()
        if not (self.is_inside(path.parent) and self.is_inside(other.parent)):
            return  # a step cannot reach that either: the link leads nowhere in its container
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        up = "/".join([".."] * self.chance.randint(1, 8))
        links = (
            *(self.outside, self.outside / "precious", self.outside / "below"),
            *(f"{up}/outside", f"{up}/outside/precious", up, "/", "/proc/self/root", "."),
            *("..", path.name, "nowhere", "a", self.root / "a", f"/proc/self/cwd/{up}"),
        )
        kinds: tuple[Callable[[], object], ...] = (
            lambda: path.write_bytes(b"of the step"),
            path.mkdir,
            lambda: path.symlink_to(self.chance.choice(links)),
            lambda: path.symlink_to(self.chance.choice(links)),
            lambda: os.mkfifo(path),
            lambda: _listen(path),
            lambda: _mostly_holes(path),
            lambda: path.touch(mode=0o000),
            lambda: os.link(other, path),
        )
        with suppress(OSError):
            self.chance.choice(kinds)()

    def act(self) -> None:
        """Do one of the things that the host does in a workspace."""
        path, other = self.path(), self.path()
        target = self.taken / f"{self.chance.random()}"
        with Beneath(self.root) as beneath:
            actions: tuple[Callable[[], object], ...] = (
                self.workspace.lay_out,
                lambda: self.workspace.require([path, other], [other]),
                lambda: self.workspace.remove([path]),
                lambda: self.workspace.digest(path),
                lambda: beneath.copy(path, target),
                lambda: beneath.mirror(path, target),
                lambda: beneath.write(path, b"of the host"),
                lambda: beneath.clear_way(path),
                lambda: beneath.make_directory(path),
                lambda: self._view(path),
            )
            with suppress(ReprunError, OSError):
                self.chance.choice(actions)()

    def _view(self, path: str) -> None:
        with self.workspace.views([path], [], self.taken / "view") as views:
            for place, _ in views:
                self.refuse_precious(place)

    def refuse_precious(self, place: Path) -> None:
        """Fail if anything of the host's own was taken; links in a directory are not followed."""
        for path in [place, *place.rglob("*")]:
            if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size < 1 << 20:
                assert PRECIOUS not in path.read_bytes(), path

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Exchange names in the workspace while the block runs."""
        done = threading.Event()
        own = random.Random(self.chance.random())

        def swap() -> None:
            names = [self.root / name for name in NAMES]
            while not done.is_set():
                one, other = own.sample(names, 2)
                with suppress(OSError):
                    one.rename(other)
                with suppress(OSError):
                    one.symlink_to(own.choice((self.outside, self.outside / "precious")))

        thread = threading.Thread(target=swap)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _mostly_holes(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 41)


def check(seed: int) -> None:
    """Make a workspace, act in it as the host does, and fail if anything got out or in."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="reprun-hostile-") as directory:
        scene = Scene(Path(directory), chance)
        for _ in range(chance.randint(1, 15)):
            scene.plant(scene.root / scene.path())
        with scene.swapped() if seed % 4 == 0 else nullcontext():
            for _ in range(OPERATIONS):
                scene.act()
        scene.refuse_precious(scene.taken)
        assert scene.state() == scene.before, f"seed {seed}"


def check_all(first: int, count: int) -> None:
    """Check the workspaces of so many seeds."""
    for seed in range(first, first + count):
        check(seed)


def main() -> None:
    """Check as many workspaces as are asked for."""
    count, seed = (int(each) for each in (*sys.argv[1:], *("10000", "1")[len(sys.argv) - 1 :]))
    check_all(seed, count)
    print(f"{count} hostile workspaces, seeds {seed} to {seed + count - 1}: none got out")


if __name__ == "__main__":
    main()

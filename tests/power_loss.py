"""A disk that loses power: ext4 on a loop device, seen as it would be found afterwards.

What the file system has not yet written is in memory alone, so the file behind the device, copied
at any moment, is the disk as a loss of power at that moment leaves it; to mount the copy replays
its journal. Needs root and loop devices.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from reprun import files

# A commit every ten minutes is none during a test, and without `auto_da_alloc` ext4 does not make
# up for programs that rename before the bytes are there, as other file systems never do.
OPTIONS = "loop,commit=600,noauto_da_alloc"


P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted disk."""

    home: Path
    place: Path

    @contextmanager
    def after_a_loss(self, *, names_first: bool = False) -> Iterator[Path]:
        """Give the disk as it is found when power is lost now.

        With `names_first` the journal has just been committed, as it is whenever some other
        program waits for the disk: names are there, the bytes of files nobody waited for are not.
        """
        if names_first:
            (self.place / "other").write_bytes(b"another program")
            files.sync(self.place / "other")
        image, copy, found = (self.home / name for name in ("disk.img", "copy.img", "found"))
        shutil.copyfile(image, copy)
        while not filecmp.cmp(image, copy, shallow=False):
            shutil.copyfile(image, copy)  # the kernel wrote meanwhile: no disk was ever so
        found.mkdir(exist_ok=True)
        _run("mount", "-o", OPTIONS, str(copy), str(found))
        try:
            yield found
        finally:
            _run("umount", str(found))

    def losing(
        self, act: Callable[[], object], check: Callable[[Path], None], patch: pytest.MonkeyPatch
    ) -> int:
        """Do something; check the disk as a loss before each call that orders its writes leaves it.

        Returns how many losses were seen.
        """
        seen, looking = 0, False

        def lose() -> None:
            nonlocal seen, looking
            if looking:  # what a check does to what it found is no part of the deed
                return
            looking = True
            for names_first in (False, True):
                with self.after_a_loss(names_first=names_first) as found:
                    check(found)
                seen += 1
            looking = False

        for name in ("sync", "sync_all", "exchange"):
            patch.setattr(files, name, _after(lose, getattr(files, name)))
        for name in ("replace", "unlink", "rename"):
            patch.setattr(Path, name, _after(lose, getattr(Path, name), self.place))
        act()
        patch.undo()
        lose()
        return seen


def _after(
    lose: Callable[[], None], call: Callable[P, R], below: Path | None = None
) -> Callable[P, R]:
    def calls(*arguments: P.args, **named: P.kwargs) -> R:
        if below is None or str(arguments[0]).startswith(str(below)):
            lose()
        return call(*arguments, **named)

    return calls


@contextmanager
def mounted_disk(home: Path, megabytes: int = 48) -> Iterator[Disk]:
    """Make a disk and mount it."""
    place = home / "disk"
    place.mkdir()
    with (home / "disk.img").open("wb") as image:
        os.truncate(image.fileno(), megabytes << 20)
    _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(home / "disk.img"))
    _run("mount", "-o", OPTIONS, str(home / "disk.img"), str(place))
    try:
        yield Disk(home, place)
    finally:
        _run("umount", str(place))


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    if done.returncode != 0:
        pytest.fail(f"{command[0]} needs root and loop devices: {done.stderr}")

"""How much of a disk paths take, and how much removing them frees."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512
"""Bytes of the unit in which the operating system counts what a file takes (stat(2))."""


@dataclass(slots=True)
class _File:
    """A file by its inode, whatever its names."""

    status: os.stat_result
    below: Path
    """The path it was found below first."""
    names: int = 0


def taken(paths: Iterable[Path]) -> int:
    """Return the bytes on the disk of all below paths: a sparse file has fewer than its size.

    A file with several names counts once.
    """
    return sum(file.status.st_blocks for file in _files(paths)) * BLOCK


def freed(paths: Sequence[Path]) -> dict[Path, int]:
    """Return how many bytes of the disk removing all of these paths frees, by path.

    A file is freed with the last of its names: it counts if all are below these paths, once.
    """
    found = dict.fromkeys(paths, 0)
    for file in _files(paths):
        if stat.S_ISDIR(file.status.st_mode) or file.names == file.status.st_nlink:
            found[file.below] += file.status.st_blocks * BLOCK
    return found


def _files(paths: Iterable[Path]) -> Iterable[_File]:
    """Return what is below paths, these included, each file once; what vanishes is left out."""
    found: dict[tuple[int, int], _File] = {}
    for path in paths:
        for status in _statuses(path):
            known = found.setdefault((status.st_dev, status.st_ino), _File(status, path))
            known.names += 1
    return found.values()


def _statuses(path: Path) -> Iterator[os.stat_result]:
    with suppress(FileNotFoundError):
        status = path.lstat()
        yield status
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield from _statuses(Path(entry.path))
                    else:
                        with suppress(FileNotFoundError):
                            yield entry.stat(follow_symlinks=False)

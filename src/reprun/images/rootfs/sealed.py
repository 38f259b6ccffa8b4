"""Directories derived from the store and sealed: whole or absent, and noticed when changed.

A sealed directory is `root` (the files), `listing` (kind, mode and sha256 of every path) and
`seal`, a digest over mode, size, mtime and inode of every path. While the seal fits, no file
is read; when it does not, every file is hashed against the listing and what changed is named.
A directory gets its name by one rename when it is whole, under a lock that a killed process
loses: two processes do the work once, and a kill leaves nothing half-done behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reprun import files
from reprun.digests import PREFIX, sha256_file
from reprun.errors import IntegrityError, StorageError
from reprun.images.archives.tarlayer import EPOCH
from reprun.images.archives.tree import Kind, Listed
from reprun.wording import listed, quoted

PARTIAL = "partial-"
EPOCH_NS = (EPOCH * 1_000_000_000, EPOCH * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a layer says of those below it, and to people."""

    hidden: Sequence[str] = ()
    """Whiteouts."""
    implicit: Sequence[str] = ()
    """Directories it only passes through: what a layer below says of them stays."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Hard links to files of layers below."""
    notes: Sequence[str] = ()
    """What was left out, as sentences."""


NO_CHANGES = Changes()


def walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all below a directory by its path from there, parents first; links are not followed.

    Without recursion, which `os.walk` and `Path.rglob` need for each level in older Pythons.
    """
    left = [""]
    while left:
        above = left.pop()
        with os.scandir(root / above) as listed_there:
            entries = list(listed_there)
        for entry in entries:
            path = f"{above}/{entry.name}" if above else entry.name
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                left.append(path)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Work below `home` alone; what a killed process left unfinished there is removed."""
    with files.locked(home / "lock"):
        files.sweep(home)
        yield


@contextmanager
def arriving(place: Path, home: Path) -> Iterator[Path]:
    """Give a directory to fill, which is then `place` as a whole, or gone."""
    partial = files.temporary_directory(home, PARTIAL)
    try:
        (partial / "root").mkdir()
        yield partial
        files.make_directory(place.parent)
        files.settle(partial, place)
    except BaseException:
        files.remove_tree(partial)
        raise


def seal(partial: Path, entries: Mapping[str, Listed], changes: Changes = NO_CHANGES) -> None:
    """Give directories their modes and times, then write down what lies here."""
    root = partial / "root"
    for path in sorted(entries, reverse=True):
        if entries[path].kind is Kind.DIRECTORY:
            (root / path).chmod(entries[path].mode)
            os.utime(root / path, ns=EPOCH_NS)
    root.chmod(0o755)
    os.utime(root, ns=EPOCH_NS)
    listing = {path: [e.kind, e.mode, e.what] for path, e in sorted(entries.items())}
    data = json.dumps({"entries": listing, **asdict(changes)}, separators=(",", ":"))
    (partial / "listing").write_text(data, encoding="utf-8", errors="surrogateescape")
    _write_seal(partial, sorted(entries))


def _write_seal(place: Path, paths: list[str]) -> None:
    text = "\n".join([_stat_digest(place / "root", paths), *paths])
    files.write_atomically(place / "seal", text.encode(errors="surrogateescape"))


def seal_fits(place: Path) -> bool:
    """Tell whether mode, size, mtime and inode of all paths are still as they were sealed."""
    try:
        text = (place / "seal").read_text(encoding="utf-8", errors="surrogateescape")
        expected, *paths = text.split("\n")
        return _stat_digest(place / "root", paths) == expected
    except OSError:
        return False


def _stat_digest(root: Path, paths: Iterable[str]) -> str:
    numbers = array("q")
    add = numbers.extend
    lstat: Callable[[str], os.stat_result] = os.lstat
    top = f"{root}/"
    status = lstat(top)
    add((status.st_mode, status.st_mtime_ns))
    for path in paths:
        status = lstat(top + path)
        mode = status.st_mode
        size = 0 if stat.S_ISDIR(mode) else status.st_size
        add((mode, size, status.st_mtime_ns, status.st_ino))
    return hashlib.sha256(numbers.tobytes()).hexdigest()


def read_listing(place: Path) -> tuple[dict[str, Listed], Changes]:
    """Return what a sealed directory holds, and what a layer says besides."""
    try:
        text = (place / "listing").read_text(encoding="utf-8", errors="surrogateescape")
        document = json.loads(text)
        entries = {
            path: Listed(Kind(kind), mode, what)
            for path, (kind, mode, what) in document.pop("entries").items()
        }
        return entries, Changes(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"the listing of an unpacked tree cannot be read: {error}",
            place=str(place),
            hint=f"rm -r {quoted(place)}   # it is made again",
        ) from error


def check(place: Path, name: str, home: Path) -> None:
    """Hash every file against the listing; seal again if all is right, else name a path.

    A directory that was added is not a fault: runc makes one wherever it mounts something.
    """
    root = place / "root"
    entries, _ = read_listing(place)
    found = dict(walk(root))
    faults = [
        f"{path} was added"
        for path in sorted(set(found) - set(entries))
        if not found[path].is_dir(follow_symlinks=False)
    ]
    for path, entry in entries.items():
        if path not in found:
            faults.append(f"{path} is gone")
        elif not _is_as_listed(root / path, entry):
            faults.append(f"{path} has changed")
    if faults:
        raise IntegrityError(
            f"{name} has changed on disk: {listed(faults)}",
            place=str(root),
            hint=f"rm -r {quoted(home)}   # it is made again from the image's layers",
        )
    _write_seal(place, sorted(entries))


def _is_as_listed(path: Path, entry: Listed) -> bool:
    mode = path.lstat().st_mode
    if entry.kind is Kind.SYMLINK:
        # As it is: a Path would say `a` of a link to `a/.`.
        return stat.S_ISLNK(mode) and os.readlink(path) == entry.what  # noqa: PTH115
    if stat.S_IMODE(mode) != entry.mode:
        return False
    if entry.kind is Kind.DIRECTORY:
        return stat.S_ISDIR(mode)
    return stat.S_ISREG(mode) and sha256_file(path) == PREFIX + entry.what

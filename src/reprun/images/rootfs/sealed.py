"""Directories derived from the store and sealed: whole or absent, and noticed when changed.

A sealed directory is `root` (the files), `listing` (kind, mode and sha256 of every path) and
`seal`, a digest over mode, size, mtime and inode of every path. While the seal fits and is not
old, a run reads a few files at random and no other; when it does not, every file is hashed against
the listing and what changed is named.
A directory gets its name by one rename when it is whole, under a lock that a killed process
loses: two processes do the work once, and a kill leaves nothing half-done behind.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import random
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
FULL_EVERY = dt.timedelta(days=30)
"""How long a seal stands: rot that keeps size and times is found by hashing every file again."""
SAMPLE_FILES = 64
SAMPLE_BYTES = 16 << 20
"""Hashed of a tree at each run, at random; larger files are hashed with all the others alone."""
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


@dataclass(frozen=True, slots=True)
class Verified:
    """What was hashed of a sealed tree."""

    full: dt.datetime
    """When every file was, the last time."""
    sampled_files: int
    sampled_bytes: int
    """At random, just now."""


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


def date_back(place: Path, full: dt.datetime) -> None:
    """Let a seal say when every file was hashed, where that was before it was written."""
    os.utime(place / "seal", (full.timestamp(), full.timestamp()))


def last_full(place: Path) -> dt.datetime:
    """Return when every file of a sealed directory was hashed: a seal is written then alone."""
    return dt.datetime.fromtimestamp((place / "seal").stat().st_mtime, dt.UTC)


def _write_seal(place: Path, paths: list[str]) -> None:
    text = "\n".join([_stat_digest(place / "root", paths), *paths])
    files.write_atomically(place / "seal", text.encode(errors="surrogateescape"))


def seal_fits(place: Path) -> bool:
    """Tell whether mode, size, mtime and inode of all paths are still as they were sealed.

    An old seal does not, nor one of a time to come.
    """
    try:
        age = dt.datetime.now(dt.UTC) - last_full(place)
        expected, *paths = _sealed(place)
        return (
            dt.timedelta() <= age < FULL_EVERY and _stat_digest(place / "root", paths) == expected
        )
    except OSError:
        return False


def _sealed(place: Path) -> list[str]:
    """Return the digest of a seal, and the paths that it is over."""
    return (place / "seal").read_text(encoding="utf-8", errors="surrogateescape").split("\n")


def sampled(place: Path, name: str, home: Path) -> Verified:
    """Hash some files of a sealed tree; hash all, and name what changed, if one is not right."""
    root, files_seen, bytes_seen = place / "root", 0, 0
    _, *paths = _sealed(place)
    listing = (place / "listing").read_bytes()
    for path in random.sample(paths, min(SAMPLE_FILES, len(paths))):
        status = os.lstat(root / path)
        if not stat.S_ISREG(status.st_mode) or bytes_seen + status.st_size > SAMPLE_BYTES:
            continue
        files_seen += 1
        bytes_seen += status.st_size
        if not _is_listed(path, sha256_file(root / path), listing):
            with locked(home):
                check(place, name, home)
    return Verified(last_full(place), files_seen, bytes_seen)


def _is_listed(path: str, digest: str, listing: bytes) -> bool:
    """Tell whether a listing has a file with a digest; to parse it whole takes 50 ms."""
    begin = listing.find(f"{json.dumps(path)}:[".encode())
    end = listing.find(b"]", begin + len(json.dumps(path)))
    wanted = f'"{digest.removeprefix(PREFIX)}"'.encode()
    return begin >= 0 and listing.endswith(wanted, begin, end)


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

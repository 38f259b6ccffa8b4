"""An image's root directory on disk, for engines that start containers without a daemon.

Below the store, each sealed (see `sealed`):

    unpacked/layers/<hex>    one layer, unpacked once however many images share it
    unpacked/images/<hex>    layers laid over each other by hard links, whiteouts honoured

Nothing is ever written through a hard link: files are only made anew and linked.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from reprun.digests import CHUNK, PREFIX, short
from reprun.errors import IntegrityError
from reprun.images.layout import verify_stored
from reprun.images.model import Image, Layer
from reprun.images.sealed import EPOCH_NS, arriving, check, locked, read_listing, seal, seal_fits
from reprun.images.tree import Kind, Listed, inner_path
from reprun.store import Store, storage_errors

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def unpacked_root(image: Image, store: Store) -> Path:
    """Return the directory with the image's files, unpacking them at the first call.

    Raises IntegrityError, naming image and file, when the layers or the unpacked files have
    changed, and StorageError when a layer is missing or the disk refuses.
    """
    verify_stored(image, store)
    home = store.directory("unpacked")
    place = home / "images" / image.image_id.removeprefix(PREFIX)
    if seal_fits(place):
        return place / "root"
    with storage_errors(home), locked(home):
        if place.is_dir():
            check(place, f"image '{image.name}'", home)
            return place / "root"
        with ThreadPoolExecutor(2) as pool:
            layers = list(pool.map(lambda layer: _layer(layer, image, store, home), image.layers))
        with arriving(place, home) as partial:
            _merge(layers, partial)
    return place / "root"


def _layer(layer: Layer, image: Image, store: Store, home: Path) -> Path:
    place = home / "layers" / layer.digest.removeprefix(PREFIX)
    if place.is_dir():
        if not seal_fits(place):
            check(place, f"layer '{layer.comment}' of image '{image.name}'", home)
        return place
    try:
        # From its first byte to its last: a stamp would not show rot that kept the time.
        blob = store.verify(layer.digest)
    except IntegrityError as error:
        raise IntegrityError(
            f"image '{image.name}' has changed in the store: its layer '{layer.comment}' "
            f"({short(layer.digest)}…) has other bytes now",
            place=error.place,
            hint=error.hint,
        ) from error
    with arriving(place, home) as partial:
        _extract(blob, partial, f"layer '{layer.comment}'")
    return place


def _extract(blob: Path, partial: Path, name: str) -> None:
    """Unpack one layer; whiteouts are only listed, for the merge to honour."""
    root = partial / "root"
    entries: dict[str, Listed] = {}
    hidden: list[str] = []
    try:
        with tarfile.open(blob, mode="r:") as tar:
            for member in tar:
                path = inner_path(member.name, archive=name)
                base = path.rpartition("/")[2]
                if base.startswith(WHITEOUT):
                    hidden.append(path)
                elif member.isdev() and path.startswith("dev/"):
                    continue  # engines give every container a /dev of its own
                elif path:
                    _parents(root, path, entries, name)
                    entries[path] = _place(root / path, member, tar, entries, name)
    except tarfile.TarError as error:
        raise IntegrityError(f"{name} cannot be unpacked: {error}", place=str(blob)) from error
    seal(partial, entries, hidden)


def _parents(root: Path, path: str, entries: dict[str, Listed], name: str) -> None:
    parent = path.rpartition("/")[0]
    missing = []
    while parent and parent not in entries:
        missing.append(parent)
        parent = parent.rpartition("/")[0]
    if parent and entries[parent].kind is not Kind.DIRECTORY:
        raise IntegrityError(f"{name} puts {path} below {parent}, which is no directory")
    for each in reversed(missing):
        (root / each).mkdir()
        entries[each] = Listed(Kind.DIRECTORY, 0o755, "")


def _place(
    target: Path,
    member: tarfile.TarInfo,
    tar: tarfile.TarFile,
    entries: Mapping[str, Listed],
    name: str,
) -> Listed:
    path = inner_path(member.name, archive=name)
    present = entries.get(path)
    mode = member.mode & 0o1777
    if present is not None and not (present.kind is Kind.DIRECTORY and member.isdir()):
        raise IntegrityError(f"{name} holds {path} twice")
    if member.isdir():
        target.mkdir(exist_ok=True)
        return Listed(Kind.DIRECTORY, mode, "")
    if member.issym():
        target.symlink_to(member.linkname)
        os.utime(target, ns=EPOCH_NS, follow_symlinks=False)
        return Listed(Kind.SYMLINK, 0o777, member.linkname)
    if member.islnk():
        source = inner_path(member.linkname, archive=name)
        linked = entries.get(source)
        if linked is None or linked.kind is not Kind.FILE:
            raise IntegrityError(f"{name} has a hard link out of the tree: {path} -> {source}")
        root = target.parents[path.count("/")]
        target.hardlink_to(root / source)
        return linked
    if not member.isfile():
        raise IntegrityError(f"{name} has a member that is no file, directory or link: {path}")
    stream = tar.extractfile(member)
    assert stream is not None, "a regular file has contents"
    return _copy(stream, target, member.size, mode, f"{name}: {path}")


def _copy(stream: IO[bytes], target: Path, size: int, mode: int, what: str) -> Listed:
    sha256 = hashlib.sha256()
    left = size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while left:
            chunk = stream.read(min(CHUNK, left))
            if not chunk:
                raise IntegrityError(f"{what} is cut short")
            sha256.update(chunk)
            _write_all(descriptor, chunk)
            left -= len(chunk)
        os.fchmod(descriptor, mode)
        os.utime(descriptor, ns=EPOCH_NS)
    finally:
        os.close(descriptor)
    return Listed(Kind.FILE, mode, sha256.hexdigest())


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _merge(layers: Iterable[Path], partial: Path) -> None:
    """Lay layers over each other: files as hard links, whiteouts honoured."""
    root = partial / "root"
    merged: dict[str, Listed] = {}
    sources: dict[str, Path] = {}
    for layer in layers:
        entries, hidden = read_listing(layer)
        for path in hidden:
            _white_out(path, merged)
        for path, entry in entries.items():
            present = merged.get(path)
            if (
                present is not None
                and present.kind is not entry.kind
                and Kind.DIRECTORY in (present.kind, entry.kind)
            ):
                _forget(path, merged)
            merged[path] = entry
            sources[path] = layer / "root" / path
    for path in sorted(merged):
        entry = merged[path]
        parent = path.rpartition("/")[0]
        if parent and merged[parent].kind is not Kind.DIRECTORY:
            raise IntegrityError(f"a layer puts {path} below {parent}, which is no directory")
        if entry.kind is Kind.DIRECTORY:
            (root / path).mkdir()
        elif entry.kind is Kind.SYMLINK:
            (root / path).symlink_to(entry.what)
            os.utime(root / path, ns=EPOCH_NS, follow_symlinks=False)
        else:
            os.link(sources[path], root / path, follow_symlinks=False)
    seal(partial, merged, [])


def _white_out(path: str, merged: dict[str, Listed]) -> None:
    parent, slash, base = path.rpartition("/")
    if base == OPAQUE:
        for each in [other for other in merged if other.startswith(f"{parent}/")]:
            del merged[each]
    else:
        _forget(parent + slash + base.removeprefix(WHITEOUT), merged)


def _forget(path: str, merged: dict[str, Listed]) -> None:
    for each in [other for other in merged if other == path or other.startswith(f"{path}/")]:
        del merged[each]

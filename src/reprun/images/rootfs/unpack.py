"""An image's root directory on disk, for engines that start containers without a daemon.

Below the store, each sealed (see `sealed`):

    unpacked/layers/<hex>    one layer, unpacked once however many images share it
    unpacked/images/<hex>    layers laid over each other by hard links, whiteouts honoured

Nothing is ever written through a hard link: files are only made again and linked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from reprun.digests import PREFIX, short
from reprun.errors import IntegrityError, StorageError
from reprun.files import remove_tree, storage_errors
from reprun.images.archives.tree import Kind, Listed
from reprun.images.bounds import FLATTEN_HINT, MOST_ENTRIES, PLAIN_HINT, shown
from reprun.images.model import Image, Layer
from reprun.images.rootfs.extract import extract, link
from reprun.images.rootfs.paths import Paths
from reprun.images.rootfs.plan import OPAQUE, WHITEOUT, WHOLE, Bound
from reprun.images.rootfs.sealed import (
    EPOCH_NS,
    Changes,
    Verified,
    arriving,
    check,
    date_back,
    last_full,
    locked,
    read_listing,
    sampled,
    seal,
    seal_fits,
)
from reprun.images.stored import verify_stored
from reprun.store.store import Store
from reprun.wording import quoted

WORKERS = min(4, max(2, os.cpu_count() or 1))


class Fresh(NamedTuple):
    """Layers that arrived just now, and how many paths so many bytes may have in all."""

    layers: frozenset[str]
    entries: int


class _Unpacked(NamedTuple):
    """A layer on disk."""

    place: Path
    entries: Mapping[str, Listed]
    changes: Changes

    @property
    def paths(self) -> int:
        return len(self.entries) + len(self.changes.hidden) + len(self.changes.links)


def unpacked_root(image: Image, store: Store, fresh: Fresh | None = None) -> Path:
    """Return the directory with the image's files, unpacking them at the first call.

    `fresh` bounds what arrived just now: an import knows in how few bytes. Raises
    IntegrityError, naming image and file, when the layers or the unpacked files have changed or
    a layer is refused, and StorageError when one is missing or the disk refuses.
    """
    verify_stored(image, store)
    home = store.directory("unpacked")
    place = home / "images" / image.image_id.removeprefix(PREFIX)
    if seal_fits(place):
        return place / "root"
    with storage_errors(home), _refused(image, home), locked(home):
        if place.is_dir():
            check(place, f"image '{image.name}'", home)
            return place / "root"
        with ThreadPoolExecutor(WORKERS) as pool:
            layers = _layers(image, store, home, pool, fresh)
        with arriving(place, home) as partial:
            _merge(layers, image, partial)
    return place / "root"


def is_unpacked(image: Image, store: Store) -> bool:
    """Tell whether the files of an image are here, unpacked."""
    home = store.root / "unpacked" / "images"
    return (home / image.image_id.removeprefix(PREFIX)).is_dir()


def verified_root(image: Image, store: Store) -> tuple[Path, Verified]:
    """Return the directory as `unpacked_root` does, and what was verified of it; for a run.

    Raises IntegrityError too when a file that is taken at random is not as it was unpacked.
    """
    root = unpacked_root(image, store)
    home = store.directory("unpacked")
    with storage_errors(home):
        return root, sampled(root.parent, f"image '{image.name}'", home)


def notes_of(image: Image, store: Store) -> list[str]:
    """Return what was left out of an unpacked image, layer by layer, as sentences."""
    home = store.directory("unpacked") / "layers"
    places = dict.fromkeys(home / layer.digest.removeprefix(PREFIX) for layer in image.layers)
    return [note for place in places for note in read_listing(place)[1].notes]


@contextmanager
def _refused(image: Image, home: Path) -> Iterator[None]:
    """Turn whatever else an operating system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise StorageError(
            f"image '{image.name}' cannot be unpacked: {error.strerror or error}: "
            f"{shown(str(error.filename or home))}",
            place=str(home),
            hint=f"df -i {quoted(home)}   # and: mount, ulimit -a",
        ) from error


def forget_layers(digests: Iterable[str], store: Store) -> None:
    """Remove unpacked layers of an image that was refused."""
    home = store.directory("unpacked")
    places = [home / "layers" / digest.removeprefix(PREFIX) for digest in digests]
    if any(place.is_dir() for place in places):
        with storage_errors(home), locked(home):
            for place in places:
                if place.is_dir():
                    remove_tree(place)


def _layers(
    image: Image, store: Store, home: Path, pool: Executor, fresh: Fresh | None
) -> list[_Unpacked]:
    """Unpack layers that are not yet on disk; bound their paths, in all and of those that came."""
    layers: list[_Unpacked] = []
    total = arrived = 0
    for layer in image.layers:
        bound = Bound(MOST_ENTRIES - total, WHOLE.limit)
        is_fresh = fresh is not None and layer.digest in fresh.layers
        if fresh is not None and is_fresh and fresh.entries - arrived < bound.most:
            limit = f"{fresh.entries:,} in an image for which so few bytes arrived"
            bound = Bound(fresh.entries - arrived, limit, PLAIN_HINT)
        place = _layer(layer, image, store, home, pool, bound)
        layers.append(_Unpacked(place, *read_listing(place)))
        if layers[-1].paths > bound.most:
            raise IntegrityError(
                f"image '{image.name}' has too many paths: more than {bound} are not read",
                hint=bound.hint,
            )
        total += layers[-1].paths
        arrived += layers[-1].paths if is_fresh else 0
    return layers


def _layer(
    layer: Layer, image: Image, store: Store, home: Path, pool: Executor, bound: Bound
) -> Path:
    place = home / "layers" / layer.digest.removeprefix(PREFIX)
    name = layer.comment if layer.comment.startswith("layer ") else f"layer '{layer.comment}'"
    if place.is_dir():
        if not seal_fits(place):
            check(place, f"{name} of image '{image.name}'", home)
        return place
    # From its first byte to its last, beside the copying: a stamp would not show rot that kept
    # the time. What was copied is thrown away when the bytes turn out to be wrong.
    verified = pool.submit(store.verify, layer.digest)
    blob = store.blob_path(layer.digest)
    try:
        with arriving(place, home) as partial:
            try:
                extract(blob, partial, f"{name} of image '{image.name}'", pool, bound)
            finally:
                verified.result()  # says more than any other complaint about the same bytes
    except IntegrityError as error:
        if verified.exception() is None:
            raise IntegrityError(
                error.message, place=error.place or str(blob), hint=error.hint or FLATTEN_HINT
            ) from error
        raise IntegrityError(
            f"image '{image.name}' is corrupt in the store: the sha256 of its {name} "
            f"({short(layer.digest)}…) differs",
            place=error.place,
            hint=error.hint,
        ) from error
    return place


def _merge(layers: Sequence[_Unpacked], image: Image, partial: Path) -> None:
    """Lay layers over each other: files as hard links, whiteouts honoured."""
    root = partial / "root"
    merged: Paths[_Found] = Paths()
    for layer, entries, changes in layers:
        top = f"{layer}/root/"
        # What a hard link means is in the layers below as they are before this one changes them.
        linked = {
            path: _below(path, source, merged, image) for path, source in changes.links.items()
        }
        for path in changes.hidden:
            _white_out(path, merged)
        implicit = set(changes.implicit)
        for path, entry in entries.items():  # sorted: parents first
            present = merged.get(path)
            both_are_directories = (
                present is not None
                and present.entry.kind is Kind.DIRECTORY
                and entry.kind is Kind.DIRECTORY
            )
            if both_are_directories and path in implicit:
                continue
            if not both_are_directories:
                merged.forget(path)
            merged.put(path, _Found(entry, top + path))
        for path, found in linked.items():
            merged.forget(path)
            merged.put(path, found)
    for path, found in merged.sorted():
        entry = found.entry
        if entry.kind is Kind.DIRECTORY:
            (root / path).mkdir()
        elif entry.kind is Kind.SYMLINK:
            (root / path).symlink_to(entry.what)
            os.utime(root / path, ns=EPOCH_NS, follow_symlinks=False)
        else:
            link(found.place, f"{root}/{path}")
    seal(partial, {path: found.entry for path, found in merged.sorted()})
    date_back(partial, min([last_full(partial), *(last_full(one.place) for one in layers)]))


class _Found(NamedTuple):
    """What is at a path, and in which layer."""

    entry: Listed
    place: str


def _below(path: str, source: str, merged: Paths[_Found], image: Image) -> _Found:
    found = merged.get(source)
    if found is None or found.entry.kind is Kind.DIRECTORY:
        fault = "no file of this layer or one below" if found is None else "a directory"
        raise IntegrityError(
            f"image '{image.name}' has a hard link to {fault}: {shown(path)} -> {shown(source)}",
            hint=FLATTEN_HINT,
        )
    return found


def _white_out(path: str, merged: Paths[_Found]) -> None:
    parent, slash, base = path.rpartition("/")
    if base == OPAQUE:
        merged.clear(parent)
    else:
        merged.forget(parent + slash + base.removeprefix(WHITEOUT))

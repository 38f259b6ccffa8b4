"""An image's root directory on disk, for engines that start containers without a daemon.

Below the store, each sealed (see `sealed`):

    unpacked/layers/<hex>    one layer, unpacked once however many images share it
    unpacked/images/<hex>    layers laid over each other by hard links, whiteouts honoured

Nothing is ever written through a hard link: files are only made again and linked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from reprun.digests import PREFIX, short
from reprun.errors import IntegrityError
from reprun.files import storage_errors
from reprun.images.archives.tree import Kind, Listed
from reprun.images.model import Image, Layer
from reprun.images.rootfs.extract import WHITEOUT, extract
from reprun.images.rootfs.sealed import (
    EPOCH_NS,
    arriving,
    check,
    locked,
    read_listing,
    seal,
    seal_fits,
)
from reprun.images.stored import verify_stored
from reprun.store.store import Store

WORKERS = min(4, max(2, os.cpu_count() or 1))
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
        with ThreadPoolExecutor(WORKERS) as pool:
            layers = [_layer(layer, image, store, home, pool) for layer in image.layers]
        with arriving(place, home) as partial:
            _merge(layers, partial)
    return place / "root"


def _layer(layer: Layer, image: Image, store: Store, home: Path, pool: Executor) -> Path:
    place = home / "layers" / layer.digest.removeprefix(PREFIX)
    if place.is_dir():
        if not seal_fits(place):
            check(place, f"layer '{layer.comment}' of image '{image.name}'", home)
        return place
    # From its first byte to its last, beside the copying: a stamp would not show rot that kept
    # the time. What was copied is thrown away when the bytes turn out to be wrong.
    verified = pool.submit(store.verify, layer.digest)
    try:
        with arriving(place, home) as partial:
            try:
                extract(store.blob_path(layer.digest), partial, f"layer '{layer.comment}'", pool)
            finally:
                verified.result()  # says more than any other complaint about the same bytes
    except IntegrityError as error:
        if verified.exception() is None:
            raise
        raise IntegrityError(
            f"image '{image.name}' is corrupt in the store: the sha256 of its layer "
            f"'{layer.comment}' ({short(layer.digest)}…) differs",
            place=error.place,
            hint=error.hint,
        ) from error
    return place


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
            raise IntegrityError(f"a layer puts {path} below {parent}, which is not a directory")
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

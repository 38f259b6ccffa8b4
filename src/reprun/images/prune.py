"""What of the store belongs to no locked image any more, and its removal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprun.data.local import projects_of, records_of
from reprun.digests import PREFIX
from reprun.errors import ReprunError, StorageError
from reprun.files import remove_tree, storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.rootfs.sealed import locked
from reprun.store.collection import named_in
from reprun.store.store import Store

LARGEST_DOCUMENT = 1 << 20
"""Bytes of a manifest or configuration of an image."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    paths: tuple[Path, ...]
    bytes: int


def prune(catalogue: Catalogue, store: Store, *, dry_run: bool) -> Pruned:
    """Remove what the store holds of images that neither a catalogue locks nor a run here used.

    Catalogues are this one and those of every project that used the store. Removed are unpacked
    trees and byte code of other images and layers, and the blobs of those layers. Locked inputs,
    data and whatever else the store holds stay.
    """
    keep = {name for each in _catalogues(catalogue, store) for name in _kept(each)}
    keep |= _used_by_runs(store)
    home = store.root / "unpacked"
    candidates = [
        path
        for kind in ("images", "layers", "bytecode")
        for path in sorted((home / kind).glob("*"))
        if path.is_dir() and path.name not in keep
    ]
    candidates += [
        blob
        for path in candidates
        if path.parent.name == "layers" and (blob := store.blob_path(PREFIX + path.name)).is_file()
    ]
    freed = sum(_size(path) for path in candidates)
    if not dry_run and candidates:
        with storage_errors(home), locked(home):
            for path in candidates:
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink(missing_ok=True)
    return Pruned(tuple(candidates), freed)


def _catalogues(catalogue: Catalogue, store: Store) -> Iterator[Catalogue]:
    yield catalogue
    for project in projects_of(store):
        yield Catalogue.of(project)


def _used_by_runs(store: Store) -> set[str]:
    """Return the digests of the images that runs used, and of what these are made of."""
    named = {digest for record in records_of(store) for digest in named_in(record)}
    for digest in list(named):
        blob = store.blob_path(digest)
        if blob.is_file() and blob.stat().st_size <= LARGEST_DOCUMENT:
            with suppress(StorageError):  # a small file that is no document names nothing
                named |= named_in(blob)
    return {digest.removeprefix(PREFIX) for digest in named}


def _kept(catalogue: Catalogue) -> set[str]:
    """Return the digests that some image of the catalogue is made of.

    An image whose lock cannot be read makes pruning unsafe: its error is passed on, but an
    external image without a digest has nothing in the store.
    """
    keep: set[str] = set()
    for name in catalogue.names():
        try:
            image = catalogue.locked(name)
        except ReprunError:
            if catalogue.is_external(name):
                continue
            raise
        parts = (image.image_id, image.manifest, *(layer.digest for layer in image.layers))
        keep.update(part.removeprefix(PREFIX) for part in parts)
    return keep


def _size(path: Path) -> int:
    """Return the bytes that removing a path frees: a file with other names frees none."""
    if path.is_file():
        return path.stat().st_size
    seen = (each.lstat() for each in path.rglob("*") if not each.is_symlink() and each.is_file())
    return sum(status.st_size for status in seen if status.st_nlink == 1)

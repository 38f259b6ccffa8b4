"""What of the store belongs to no locked image any more, and its removal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reprun.digests import PREFIX
from reprun.errors import ReprunError
from reprun.files import remove_tree, storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.rootfs.sealed import locked
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    paths: tuple[Path, ...]
    bytes: int


def prune(catalogue: Catalogue, store: Store, *, dry_run: bool) -> Pruned:
    """Remove what the store holds of images that the catalogue no longer locks.

    Removed are unpacked trees and byte code of other images and layers, and the blobs of those
    layers. Locked inputs, data and whatever else the store holds stay.
    """
    keep = _kept(catalogue)
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

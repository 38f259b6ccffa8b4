"""What of the store belongs to no locked image any more, and its removal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text
from reprun.data.local import projects_of, records_of
from reprun.digests import PREFIX
from reprun.errors import ReprunError, StorageError
from reprun.files import remove_tree, storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.rootfs.sealed import locked
from reprun.progress import Progress
from reprun.store.collection import named_in
from reprun.store.space import freed
from reprun.store.store import Store
from reprun.wording import count_of, listed, size_of

LARGEST_DOCUMENT = 1 << 20
"""Bytes of a manifest or configuration of an image."""


Kind = Literal["image", "layer", "byte code", "blob"]
KINDS: Mapping[str, Kind] = {"images": "image", "layers": "layer", "bytecode": "byte code"}
"""What the directories of the store below `unpacked` hold."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A path that was removed, or would be."""

    path: Path
    kind: Kind
    images: tuple[str, ...]
    """Names of the images it belonged to, where the store still knows them."""
    size: int
    """Bytes of the disk that it frees, together with the others."""

    def __str__(self) -> str:
        of = f" of {listed(self.images)}" if self.images else ""
        return f"{self.kind}{of} {self.path.name[:12]}…, {size_of(self.size)}"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    removed: tuple[Removed, ...]

    @property
    def bytes(self) -> int:
        """What it frees in all."""
        return sum(each.size for each in self.removed)


def prune(catalogue: Catalogue, store: Store, progress: Progress, *, dry_run: bool) -> Pruned:
    """Remove what the store holds of images that neither a catalogue locks nor a run here used.

    Catalogues are this one and those of every project that used the store. Removed are unpacked
    trees and byte code of other images and layers, and the blobs of those layers. Locked inputs,
    data and whatever else the store holds stay.
    """
    keep = {name for each in _catalogues(catalogue, store) for name in _kept(each)}
    keep |= _used_by_runs(store)
    home = store.root / "unpacked"
    candidates: dict[Path, Kind] = {
        path: kind
        for place, kind in KINDS.items()
        for path in sorted((home / place).glob("*"))
        if path.is_dir() and path.name not in keep
    }
    blobs = [
        store.blob_path(PREFIX + path.name) for path, kind in candidates.items() if kind == "layer"
    ]
    candidates |= {blob: "blob" for blob in blobs if blob.is_file()}
    sizes, names = freed(list(candidates)), _names(store)
    removed = tuple(
        Removed(path, kind, names.get(path.name, ()), sizes[path])
        for path, kind in candidates.items()
    )
    if not dry_run and candidates:
        label = f"removing {count_of(len(candidates), 'path')}"
        with (
            storage_errors(home),
            locked(home),
            progress.task(label, len(candidates), "path") as task,
        ):
            for path in candidates:
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink(missing_ok=True)
                task.advance(1)
    return Pruned(removed)


def _names(store: Store) -> dict[str, tuple[str, ...]]:
    """Return what images are called, by the digests of themselves and of their layers.

    The configuration of an image has its name, where reprun built it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for place in sorted((store.root / "unpacked" / "images").glob("*")):
        with suppress(OSError, ValueError, KeyError, TypeError, LimitError):
            text = read_text(store.blob_path(PREFIX + place.name), limits.JSON_BYTES)
            configuration = parse_json(text)
            name = str(configuration["config"]["Labels"]["io.reprun.image"])
            layers = [str(each) for each in configuration["rootfs"]["diff_ids"]]
            for digest in (place.name, *(each.removeprefix(PREFIX) for each in layers)):
                found[digest] = tuple(dict.fromkeys((*found.get(digest, ()), name)))
    return found


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

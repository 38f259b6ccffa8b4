"""Locks become an image: pure work on bytes, with no daemon, registry, network or clock.

Every input is in the store already, checked against its lock; each layer is written straight
into the store. Two builds at once, or one that is killed, leave nothing but whole blobs there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from reprun.errors import InputsGoneError, IntegrityError
from reprun.images.archives.tarlayer import write_layer
from reprun.images.archives.tree import Listed, Spool, Tree, listing, tree_digest
from reprun.images.builder.debian import debian_tree
from reprun.images.builder.links import links_tree
from reprun.images.builder.wheels import wheels_tree
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import BASE, BUILDER_FORMAT, DebEntry, ImageLock, WheelEntry
from reprun.images.model import Image, Layer
from reprun.images.oci import layout
from reprun.progress import Progress, Task
from reprun.store.store import Store
from reprun.wording import listed

BASE_COMMENT = "Debian base"
DEBS_COMMENT = "Debian packages"
WHEELS_COMMENT = "Python wheels"
LINKS_COMMENT = "links"
DOCUMENTS_COMMENT = "reprun documents"


@dataclass(frozen=True, slots=True)
class Built:
    """An image in the store, and what a lock says of it."""

    image: Image
    lock: ImageLock
    dropped: tuple[str, ...]
    """What the rules left out of the packages, as sentences."""


@dataclass(frozen=True, slots=True)
class _BuiltLayer:
    layer: Layer
    entries: dict[str, Listed]
    dropped: tuple[str, ...]


_Maker = tuple[str, Callable[[Spool], Tree]]
"""What a layer is called, and what makes its tree."""


def build(definition: Definition, store: Store, progress: Progress) -> Built:
    """Build an image from its locks and put it into the store.

    Raises InputsGoneError when locked files are not in the store, IntegrityError for one that
    is damaged or unsafe, SpecificationError for two that do not go together.
    """
    debs, wheels = definition.debs, definition.wheels
    inputs: tuple[DebEntry | WheelEntry, ...] = (*debs, *wheels)
    missing = [entry.filename for entry in inputs if not store.has(entry.digest)]
    if missing:
        raise InputsGoneError(
            f"{len(missing)} locked files of image '{definition.name}' are not in the store: "
            + listed(missing),
            hint=f"reprun images fetch {definition.name}",
        )
    total = sum(entry.size for entry in inputs)
    with progress.task(f"building {definition.name}", total) as task:
        makers = [*_debian_layers(debs, store, task), *_wheel_layers(definition, store, task)]
        with ThreadPoolExecutor(2) as pool:
            # The wheels are most of the work, so they begin first.
            parts = [pool.submit(_layer, store, *maker) for maker in reversed(makers)]
            built = [part.result() for part in reversed(parts)]
    merged: dict[str, Listed] = {}
    for part in built:
        _lay_over(merged, part)
    if definition.links:
        built.append(_layer(store, LINKS_COMMENT, partial(links_tree, definition, merged)))
        _lay_over(merged, built[-1])
    built.append(_documents(definition, store))
    _lay_over(merged, built[-1])
    layers = tuple(part.layer for part in built)
    config = layout.config_of(definition, layers)
    manifest = layout.manifest_of(config, layers)
    image = Image(
        name=definition.name,
        image_id=store.add_bytes(config),
        manifest=store.add_bytes(manifest),
        layers=layers,
        environment=definition.environment,
    )
    lock = ImageLock(
        BUILDER_FORMAT, image.image_id, image.manifest, tree_digest(merged), image.layers
    )
    dropped = tuple(sentence for part in built for sentence in part.dropped)
    for sentence in dropped:
        progress.say(f"left out by rule: {sentence}")
    return Built(image, lock, dropped)


def _debian_layers(debs: Sequence[DebEntry], store: Store, task: Task) -> Iterator[_Maker]:
    below = tuple(deb for deb in debs if deb.layer == BASE)
    above = tuple(deb for deb in debs if deb.layer != BASE)
    if below:
        yield BASE_COMMENT, partial(debian_tree, below, store, task=task, is_topmost=False)
    yield (
        DEBS_COMMENT,
        partial(debian_tree, above, store, task=task, is_lowest=not below, below=below),
    )


def _wheel_layers(definition: Definition, store: Store, task: Task) -> Iterator[_Maker]:
    """Yield a layer for each image that brings wheels: the lower ones are the parent's own."""
    for number, (owner, wheels) in enumerate(definition.wheel_layers()):
        comment = WHEELS_COMMENT if number == 0 else f"{WHEELS_COMMENT} of {owner}"
        python = definition.python
        yield (
            comment,
            partial(wheels_tree, wheels, python, store, task=task, is_lowest=number == 0),
        )


def _layer(store: Store, comment: str, make: Callable[[Spool], Tree]) -> _BuiltLayer:
    with Spool(store.directory("incoming")) as spool:
        tree = make(spool)
        with store.incoming() as incoming:
            write_layer(tree, incoming.write)
            digest = store.commit(incoming)
            layer = Layer(digest, incoming.size, comment)
        return _BuiltLayer(layer, listing([tree]), tuple(tree.dropped))


def _documents(definition: Definition, store: Store) -> _BuiltLayer:
    documents = definition.documents()
    data = layout.documents_layer(documents)
    with Spool(store.directory("incoming")) as spool:
        tree = Tree(spool)
        for name, content in documents.items():
            tree.add_file(f"{layout.DOCUMENTS}/{name}", content, origin="reprun")
        entries = listing([tree])
    return _BuiltLayer(Layer(store.add_bytes(data), len(data), DOCUMENTS_COMMENT), entries, ())


def _lay_over(merged: dict[str, Listed], part: _BuiltLayer) -> None:
    """Lay a layer over those below; only directories may meet.

    A layer may not replace a file of a lower one: then the order of layers would matter.
    """
    for path, entry in part.entries.items():
        present = merged.get(path)
        if present is not None and present != entry:
            raise IntegrityError(
                f"layer '{part.layer.comment}' replaces {path} of a lower layer",
                hint="drop one of the two packages from image.toml and lock the image again",
            )
        merged[path] = entry

"""Writing an image's locks, and checking a locked image as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reprun.errors import IntegrityError, SpecificationError
from reprun.files import scratch
from reprun.images.archives.tree import tree_digest
from reprun.images.builder.build import Built, build
from reprun.images.builder.derive import resolve_added
from reprun.images.builder.dockerfile import dockerfile
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.builder.licences import with_deb_licences, with_wheel_licences
from reprun.images.builder.resolve import resolve_debs, resolve_wheels
from reprun.images.builder.sbom import SBOM_NAME, sbom
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.image_lock import read_image_lock
from reprun.images.catalogue.lockfiles import (
    DebEntry,
    ImageLock,
    WheelEntry,
    debs_text,
    image_lock_text,
    wheels_text,
    write_lock,
)
from reprun.images.catalogue.packaged import refuse_packaged
from reprun.images.ensure import differences
from reprun.images.model import Image
from reprun.images.rootfs.sealed import check, locked, read_listing
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.stored import verify_stored
from reprun.progress import Progress
from reprun.store.store import Store


def lock(
    name: str,
    catalogue: Catalogue,
    store: Store,
    progress: Progress,
    sources: Sources,
    *,
    image_only: bool = False,
) -> Built:
    """Resolve an image's requirements again, build it, and write its locks, Dockerfile and SBOM.

    A derived image takes over what its parent is locked to now; only what it adds is resolved.
    With `image_only` the packages and wheels stay as they are locked. The locks are written
    when everything has succeeded: image.lock last, so that a kill in between is noticed.
    Raises SpecificationError for an image that comes with reprun: it is read-only.
    """
    _say_what_became_of_the_parent(name, catalogue, progress)
    if not image_only:
        definition = catalogue.to_lock(name)
        refuse_packaged(definition.directory)
        debs, wheels = _resolved(definition, catalogue, store, progress, sources)
        with scratch() as directory:
            trial = write_inputs(
                definition, directory / name, debs, wheels, store, progress, sources
            )
            built = build(trial, store, progress)
        write_lock(definition.debs_lock, debs_text(trial.debs))
        write_lock(definition.wheels_lock, wheels_text(trial.wheels))
    else:
        definition = catalogue.definition(name)
        refuse_packaged(definition.directory)
        fetch(definition, store, progress, sources)
        built = build(definition, store, progress)
    _write_parent_lock(definition)
    write_lock(definition.directory / "Dockerfile", dockerfile(definition, built.image))
    write_lock(definition.directory / SBOM_NAME, sbom(definition, built.image).decode())
    write_lock(definition.image_lock, image_lock_text(_still_published(built.lock, definition)))
    return built


def _resolved(
    definition: Definition,
    catalogue: Catalogue,
    store: Store,
    progress: Progress,
    sources: Sources,
) -> tuple[Sequence[DebEntry], Sequence[WheelEntry]]:
    if definition.parent is not None:
        parent = catalogue.definition(definition.parent.name)
        return resolve_added(definition, parent, store, progress, sources)
    return (
        resolve_debs(definition, sources, progress),
        resolve_wheels(definition, store, progress),
    )


def _say_what_became_of_the_parent(name: str, catalogue: Catalogue, progress: Progress) -> None:
    # A lock that cannot be read is about to be written again: no reason to stop here.
    with suppress(SpecificationError):
        parentage = catalogue.parentage(name)
        if parentage is not None and parentage.changed:
            progress.say(parentage.changed)


def _write_parent_lock(definition: Definition) -> None:
    if definition.parent is not None:
        write_lock(definition.parent_lock, definition.parent.document)
    else:
        definition.parent_lock.unlink(missing_ok=True)  # it extended another image before


def _still_published(found: ImageLock, definition: Definition) -> ImageLock:
    """Keep where the image is published as long as it is the same image."""
    if not definition.image_lock.is_file():
        return found
    try:
        before = read_image_lock(definition.image_lock)
    except SpecificationError:
        return found
    if before.image_id != found.image_id:
        return found
    return replace(found, published=before.published)


def write_inputs(
    definition: Definition,
    directory: Path,
    debs: Sequence[DebEntry],
    wheels: Sequence[WheelEntry],
    store: Store,
    progress: Progress,
    sources: Sources,
) -> Definition:
    """Write what was resolved into a directory of its own, fetched and with its licences.

    Returns the definition there, ready to be built.
    """
    trial = replace(definition, directory=directory)
    write_lock(trial.place, definition.place.read_text(encoding="utf-8"))
    write_lock(trial.debs_lock, debs_text(debs))
    write_lock(trial.wheels_lock, wheels_text(wheels))
    _write_parent_lock(trial)
    fetch(trial, store, progress, sources)
    write_lock(trial.debs_lock, debs_text(with_deb_licences(debs, store)))
    write_lock(trial.wheels_lock, wheels_text(with_wheel_licences(wheels, store)))
    locked = replace(trial)  # reads the locks again: they have licences now
    assert (len(locked.debs), len(locked.wheels)) == (len(debs), len(wheels))
    return locked


def check_twice(name: str, catalogue: Catalogue, store: Store, progress: Progress) -> Built:
    """Build an image into a second, empty store and raise IntegrityError unless it is the same."""
    definition = catalogue.definition(name)
    first = build(definition, store, progress)
    with scratch(store.directory("incoming")) as directory:
        other = Store(directory)
        inputs: tuple[DebEntry | WheelEntry, ...] = (*definition.debs, *definition.wheels)
        for entry in inputs:
            store.place(entry.digest, other.blob_path(entry.digest))
        second = build(definition, other, progress)
    if faults := differences(second.lock, first.lock):
        raise IntegrityError(f"image '{name}' built twice is not the same: {'; '.join(faults)}")
    return first


def verify(name: str, catalogue: Catalogue, store: Store) -> Image:
    """Hash all parts of a stored image and compare its file tree with the locked one.

    Of an external image nobody has locked the file tree: its layers are its identity.

    Raises StorageError when the image is not in the store, and IntegrityError when any of its
    bytes are not the locked ones.
    """
    image = catalogue.locked(name)
    verify_stored(image, store)
    for part in (image.image_id, image.manifest, *(layer.digest for layer in image.layers)):
        store.verify(part)
    root = unpacked_root(image, store)
    home = store.directory("unpacked")
    with locked(home):
        check(root.parent, f"image '{image.name}'", home)
    if catalogue.is_external(name):
        return image
    entries, _ = read_listing(root.parent)
    found, wanted = tree_digest(entries), catalogue.lock(name).tree
    if found != wanted:
        raise IntegrityError(
            f"the file tree of image '{name}' is {found}, locked {wanted}", place=str(root)
        )
    return image

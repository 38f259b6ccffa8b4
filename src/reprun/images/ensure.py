"""The locked image in the store, whatever it takes: nothing, a build, or a fetch and a build."""

from __future__ import annotations

from reprun.digests import short
from reprun.errors import InputsGoneError, IntegrityError, RegistryError
from reprun.images.builder.build import Built, build
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.lockfiles import ImageLock
from reprun.images.model import Image
from reprun.images.stored import is_stored, verify_stored
from reprun.images.transfer import pull
from reprun.progress import Progress
from reprun.store.store import Store


def ensure(
    image: str | Image,
    catalogue: Catalogue,
    store: Store,
    progress: Progress,
    sources: Sources | None = None,
) -> Image:
    """Return the locked image with all its parts in the store.

    `image` is a name, a reference `name@sha256:…` or an image. When it is stored already this
    costs milliseconds. Raises InputsGoneError when locked files are nowhere available, and
    IntegrityError when a part in the store has changed or the build gives another image.
    """
    locked = catalogue.by_reference(image.reference if isinstance(image, Image) else image)
    if not is_stored(locked, store) and not _pulled(locked, catalogue, store, progress):
        definition = catalogue.definition(locked.name)
        fetch(definition, store, progress, sources or Sources.from_environment())
        compare(build(definition, store, progress), catalogue.lock(locked.name))
        progress.say(f"image {locked.name} {short(locked.image_id)} is in the store")
    verify_stored(locked, store)
    return locked


def _pulled(locked: Image, catalogue: Catalogue, store: Store, progress: Progress) -> bool:
    """Pull an image from where it is published; an external one has no other source."""
    external = catalogue.is_external(locked.name)
    if not external and not catalogue.lock(locked.name).published:
        return False
    try:
        pull(locked.name, catalogue, store, progress)
    except (InputsGoneError, RegistryError) as error:
        if external:
            raise InputsGoneError(
                f"image '{locked.name}' is external and is not in the store: {error.message}",
                hint=f"reprun images import {locked.name} FILE   # a docker-archive or OCI layout",
            ) from error
        progress.say(f"{error.message}; building {locked.name} instead")
        return False
    return True


def compare(built: Built, lock: ImageLock) -> None:
    """Raise IntegrityError, saying which part differs, unless the build gave the locked image."""
    faults = differences(built.lock, lock)
    if faults:
        raise IntegrityError(
            f"image '{built.image.name}' was built from its locks, but it is not the locked "
            f"image: {'; '.join(faults)}",
            hint=f"reprun images verify {built.image.name}",
        )


def differences(found: ImageLock, expected: ImageLock) -> list[str]:
    """Return in sentences where two locks differ, from the innermost cause outwards."""
    faults = [
        f"layer '{ours.comment}' is {short(ours.digest)} ({ours.size} bytes), "
        f"locked {short(theirs.digest)} ({theirs.size} bytes)"
        for ours, theirs in zip(found.layers, expected.layers, strict=False)
        if ours != theirs
    ]
    if len(found.layers) != len(expected.layers):
        faults.append(f"it has {len(found.layers)} layers, locked {len(expected.layers)}")
    if found.tree == expected.tree and faults:
        faults.append("the files are the same, only their packing differs")
    elif found.tree != expected.tree:
        faults.append(f"file tree {short(found.tree)}, locked {short(expected.tree)}")
    if not faults and found.image_id != expected.image_id:
        faults.append("its configuration differs (environment, title or architecture)")
    if not faults and found.manifest != expected.manifest:
        faults.append("its manifest differs")
    return faults

"""Images to and from registries and files, always by digest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from reprun.digests import CHUNK, sha256_bytes, short
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.files import replacing
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.external import (
    External,
    ExternalLock,
    read_external_lock,
    write_external_lock,
)
from reprun.images.catalogue.lockfiles import image_lock_text, write_lock
from reprun.images.catalogue.packaged import refuse_packaged
from reprun.images.model import Image
from reprun.images.oci.archive import docker_archive
from reprun.images.oci.documents import Descriptor, checked, config_facts
from reprun.images.oci.importer import (
    Arriving,
    Imported,
    Opener,
    import_image,
    refuse_encrypted,
    say_notes,
    take,
)
from reprun.images.oci.layout import MANIFEST_TYPE
from reprun.images.oci.registry import Bounded, Reference, Registry, parse_reference
from reprun.images.oci.select import Blobs, Selected, select
from reprun.images.stored import verify_stored
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import quoted


def pin(name: str, catalogue: Catalogue) -> ExternalLock:
    """Look an external image's tag up once and write down the digest it has now.

    Raises IntegrityError when it was pinned before and the tag has moved since: the pin stays,
    and SpecificationError for an image that comes with reprun: it is read-only.
    """
    external = catalogue.external(name)
    refuse_packaged(external.directory)
    where = parse_reference(external.published.repository)
    registry = Registry(where)
    try:
        found_now = registry.resolve(external.published.tag).data
        selected = _selected(found_now, registry)
    except InputsGoneError as error:
        raise InputsGoneError(
            f"{error.message}; image '{name}' stays without a digest",
            place=str(external.place),
            hint=f"reprun images import {name} FILE   # a docker-archive or OCI layout of it",
        ) from error
    facts = config_facts(selected.config, name)
    if facts.architecture != external.needs.architecture:
        raise SpecificationError(
            f"{external.published.repository} is for {facts.architecture}, "
            f"image.toml says {external.needs.architecture}",
            place=str(external.place),
        )
    image_id, manifest = sha256_bytes(selected.config), sha256_bytes(selected.data)
    found = ExternalLock(image_id, str(where.at(manifest)), None, (), {})
    if external.lock_place.exists():
        known = read_external_lock(external)
        if known.image_id != found.image_id:
            raise IntegrityError(
                f"tag {external.published.tag} of {external.published.repository} has moved: "
                f"image '{name}' is pinned to {short(known.image_id)}, "
                f"the tag is {short(found.image_id)} now",
                place=str(external.lock_place),
                hint=f"reprun images pull {name}   # still pulls the pinned one, by its digest",
            )
        found = replace(known, source=found.source)
    write_external_lock(external, found)
    return found


def pull(
    name: str,
    catalogue: Catalogue,
    store: Store,
    progress: Progress,
    *,
    source: str = "",
) -> Image:
    """Bring a locked image from where it is published, by digest.

    `source` is `registry/repository[@sha256:…]` of another place that has it. Raises
    InputsGoneError when no registry has it, and IntegrityError for other bytes.
    """
    if catalogue.is_external(name):
        external = catalogue.external(name)
        lock = read_external_lock(external)
        _refuse_to_complete(external, lock)
        reference = parse_reference(source or lock.source or external.published.repository)
        if not reference.digest and lock.source:
            reference = reference.at(parse_reference(lock.source).digest)
        imported = _pull(name, reference, store, progress, expected=lock.image_id)
        return _remember(external, imported, lock)
    locked = catalogue.locked(name)
    published = source or catalogue.lock(name).published
    if not published:
        raise SpecificationError(
            f"image '{name}' has no registry recorded in its lock; it can be built",
            hint=f"reprun images pull {name} --from HOST/REPOSITORY   # or: reprun images build",
        )
    reference = parse_reference(published)
    if not reference.digest:
        reference = reference.at(locked.manifest)
    _pull(name, reference, store, progress, expected=locked.image_id)
    verify_stored(locked, store)
    return locked


def push(
    name: str, repository: str, catalogue: Catalogue, store: Store, *, record: bool = False
) -> Reference:
    """Upload a stored image; return where it lies, by digest.

    With `record` image.lock says from then on that it is published there.
    """
    image = catalogue.locked(name)
    if record and not catalogue.is_external(name):
        refuse_packaged(catalogue.definition(name).directory)
    verify_stored(image, store)
    where = parse_reference(repository)
    if where.digest:
        raise SpecificationError(f"{repository}: give HOST/REPOSITORY, the digest follows")
    registry = Registry(where)
    for digest in (*(layer.digest for layer in image.layers), image.image_id):
        if not registry.has_blob(digest):
            path = store.verified(digest)
            with path.open("rb") as stream:
                registry.push_blob(digest, stream, path.stat().st_size)
    registry.push_manifest(store.verified(image.manifest).read_bytes(), MANIFEST_TYPE)
    reference = where.at(image.manifest)
    if record and not catalogue.is_external(name):
        lock = replace(catalogue.lock(name), published=str(reference))
        write_lock(catalogue.definition(name).image_lock, image_lock_text(lock))
    return reference


def import_file(
    name: str, path: Path, catalogue: Catalogue, store: Store, progress: Progress
) -> Image:
    """Take an image from a file or directory; it must be the pinned or locked one.

    For an external image that was never pinned the digest is written down.
    """
    if catalogue.is_external(name):
        external = catalogue.external(name)
        lock = read_external_lock(external) if external.lock_place.exists() else None
        _refuse_to_complete(external, lock)
        expected = lock.image_id if lock is not None else None
        imported = import_image(name, path, store, progress, expected=expected)
        return _remember(external, imported, lock)
    locked = catalogue.locked(name)
    import_image(name, path, store, progress, expected=locked.image_id)
    return locked


def export_file(image: Image, store: Store, path: Path) -> None:
    """Write an image as one tar that `docker load`, `podman` and `skopeo` take."""
    if path.exists():
        raise SpecificationError(f"{path} exists already", place=str(path), hint="name a new file")
    if not path.parent.is_dir():
        raise SpecificationError(
            f"there is no directory {path.parent}",
            place=str(path),
            hint=f"mkdir -p {quoted(path.parent)}",
        )
    with replacing(path) as stream:
        docker_archive(image, store, stream)


def _pull(
    name: str, reference: Reference, store: Store, progress: Progress, *, expected: str
) -> Imported:
    registry = Registry(reference)
    found = registry.manifest(reference.digest).data
    selected = _selected(found, registry, expected)
    layers = selected.manifest.layers or ()
    openers = [_opener(registry, layer) for layer in layers]
    arriving = Arriving(selected.config, openers, sha256_bytes(selected.data))
    total = sum(layer.size or 0 for layer in layers)
    with progress.task(f"pulling {name}", total) as task:
        imported = take(name, arriving, store, task, place=str(reference), expected=expected)
    say_notes(imported.image, store, progress)
    return imported


def _opener(registry: Registry, layer: Descriptor) -> Opener:
    """Return how to open a layer, which ends where its manifest says."""
    place = str(registry.reference)
    digest = checked(layer.digest, "its manifest", place)
    refuse_encrypted(layer, place)

    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with registry.blob(digest) as stream:
            if layer.size is None:
                yield stream
            else:
                yield io.BufferedReader(Bounded(stream, layer.size, digest), CHUNK)

    return opened


def _selected(data: bytes, registry: Registry, expected: str | None = None) -> Selected:
    """Return the image itself, or the one for linux/amd64 in an index."""

    blobs = Blobs(lambda digest: registry.manifest(digest).data, registry.small_blob)
    return select(data, "its manifest", blobs, str(registry.reference), expected=expected)


def _refuse_to_complete(external: External, lock: ExternalLock | None) -> None:
    """Refuse, before anything is read, to write down what an image of the package is made of."""
    if lock is None or lock.manifest is None:
        refuse_packaged(external.directory)


def _remember(external: External, imported: Imported, lock: ExternalLock | None) -> Image:
    source = lock.source if lock is not None else None
    image = imported.image
    found = ExternalLock(image.image_id, source, image.manifest, image.layers, image.environment)
    if found != lock:
        write_external_lock(external, found)
    return image

"""Images that others built, out of a file or directory into the store.

Two forms are read: an OCI layout and a docker-archive (`docker save`), as a directory, a tar or
a compressed tar. Config and layers are checked against their digests; a compressed layer is
stored uncompressed, under the diff_id its config promises, so the image ID stays what it was.
Then the image is unpacked, by the code that a run unpacks it with: what is imported can run.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reprun.digests import PREFIX, sha256_bytes, short
from reprun.errors import IntegrityError, ReprunError, SpecificationError
from reprun.images.archives.compression import write_plain
from reprun.images.bounds import LARGEST_DOCUMENT, Allowance, shown
from reprun.images.model import Image, Layer
from reprun.images.oci import layout
from reprun.images.oci.documents import (
    ARCHITECTURE,
    OS,
    Descriptor,
    Saved,
    checked,
    config_facts,
    parsed,
    read,
)
from reprun.images.oci.place import SAVE_HINT, Files, document, files_at
from reprun.images.oci.select import ONE_HINT, Blobs, select
from reprun.images.rootfs.unpack import Fresh, forget_layers, notes_of, unpacked_root
from reprun.progress import Progress, Task
from reprun.store.incoming import IncomingFile
from reprun.store.store import Store
from reprun.wording import listed, quoted, size_of

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class Imported:
    """An image in the store that nothing here can rebuild."""

    image: Image
    source_manifest: str | None
    """Digest of the manifest it came with: what its registry calls it."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """An image before its layers are read."""

    config: bytes
    layers: Sequence[Opener]
    source_manifest: str | None = None
    allowance: Allowance | None = None
    arrives: bool = True
    """Whether what is read of a layer is as it came, not unpacked once already."""


def import_image(
    name: str, path: Path, store: Store, progress: Progress, *, expected: str | None = None
) -> Imported:
    """Take an image out of a file or directory; `expected` is the image ID it must have.

    Raises SpecificationError for what is not an image of this platform, and IntegrityError when
    any of its bytes are not what its digests say, or it cannot be unpacked. Then the store is as
    it was.
    """
    with _malformed(path), files_at(path, store) as files:
        if files.has("index.json"):
            arriving = _from_layout(files, path, expected)
        elif files.has("manifest.json"):
            arriving = _from_docker_archive(files, path, expected)
        else:
            raise SpecificationError(
                "this is neither an OCI layout (index.json) nor a docker-archive (manifest.json)"
                + (", but the format of Docker before 1.10" if files.has("repositories") else ""),
                place=str(path),
                hint=SAVE_HINT,
            )
        with progress.task(f"importing {name}", None) as task:
            imported = take(name, arriving, store, task, place=str(path), expected=expected)
    say_notes(imported.image, store, progress)
    return imported


def take(
    name: str,
    arriving: Arriving,
    store: Store,
    task: Task,
    *,
    place: str | None = None,
    expected: str | None = None,
) -> Imported:
    """Put an image into the store and unpack it, or leave the store as it was."""
    found = sha256_bytes(arriving.config)
    if expected is not None and found != expected:
        raise IntegrityError(
            f"this is not image '{name}': its image ID is {short(found)}, locked {short(expected)}",
            place=place,
        )
    facts = config_facts(arriving.config, name)
    platform = facts.platform
    if (platform.os or OS, facts.architecture) != (OS, ARCHITECTURE):
        raise SpecificationError(
            f"image '{name}' is for {platform}; images for {OS}/{ARCHITECTURE} run here",
            place=place,
            hint=f"docker pull --platform {OS}/{ARCHITECTURE} IMAGE   # then: {SAVE_HINT}",
        )
    if len(facts.diff_ids) != len(arriving.layers):
        raise IntegrityError(
            f"image '{name}' has {len(arriving.layers)} layers, "
            f"but its config lists {len(facts.diff_ids)}",
            place=place,
        )
    added: list[str] = []
    try:
        allowance = arriving.allowance or Allowance()
        layers = []
        numbered = enumerate(zip(facts.diff_ids, arriving.layers, strict=True), start=1)
        for number, (diff_id, opener) in numbered:
            comment = f"layer {number}"
            if not store.has(diff_id):
                with opener() as stream, store.incoming() as incoming:
                    write_plain(
                        stream,
                        incoming,
                        store,
                        f"{comment} of image '{name}'",
                        task,
                        allowance,
                        arrives=arriving.arrives,
                    )
                    _commit_layer(incoming, diff_id, f"{comment} of image '{name}'", store)
                added.append(diff_id)
            layers.append(Layer(diff_id, store.verified(diff_id).stat().st_size, comment))
        manifest = layout.manifest_of(arriving.config, layers)
        new = [data for data in (arriving.config, manifest) if not store.has(sha256_bytes(data))]
        added += [store.add_bytes(data) for data in new]
        image = Image(name, found, sha256_bytes(manifest), tuple(layers), facts.environment)
        unpacked_root(image, store, Fresh(frozenset(added), allowance.entries))
    except BaseException as error:
        forget_layers(added, store)
        gone = {str(store.blob_path(digest)) for digest in added}
        for digest in added:
            store.remove(digest)
        if isinstance(error, IntegrityError) and (error.place is None or error.place in gone):
            raise IntegrityError(error.message, place=place, hint=error.hint) from error
        raise
    return Imported(image, arriving.source_manifest)


def _commit_layer(incoming: IncomingFile, diff_id: str, what: str, store: Store) -> None:
    if incoming.digest != diff_id:
        raise IntegrityError(
            f"{what} does not have the digest in the image's config: "
            f"{short(incoming.digest)}, expected {short(diff_id)}"
        )
    store.commit(incoming, expected=diff_id)


def say_notes(image: Image, store: Store, progress: Progress) -> None:
    """Report what of an image was left out."""
    for note in notes_of(image, store):
        progress.say(f"note: {note}")


# -- the two forms -------------------------------------------------------------------------


def _from_layout(files: Files, path: Path, expected: str | None) -> Arriving:
    place = str(path)

    def blob(digest: str) -> bytes | None:
        name = _blob_name(digest)
        if not files.has(name):
            return None
        data = document(files, name)
        if len(data) > LARGEST_DOCUMENT:
            raise IntegrityError(
                f"{name} is a document of more than {size_of(LARGEST_DOCUMENT)}, which is not read",
                place=place,
            )
        if sha256_bytes(data) != digest:
            raise IntegrityError(f"{name} does not have the digest in its name", place=place)
        return data

    index = document(files, "index.json")
    chosen = select(index, "index.json", Blobs(blob, blob), place, expected=expected)
    layers = [_layer(files, each, path) for each in chosen.manifest.layers or ()]
    return Arriving(
        chosen.config, layers, sha256_bytes(chosen.data), files.allowance, files.arrives
    )


def _layer(files: Files, layer: Descriptor, path: Path) -> Opener:
    digest = checked(layer.digest, "its manifest", str(path))
    refuse_encrypted(layer, str(path))
    return _opener(files, _blob_name(digest), path)


def refuse_encrypted(layer: Descriptor, place: str) -> None:
    """Raise SpecificationError for a layer that nobody can read without a key."""
    if (layer.media_type or "").endswith("+encrypted"):
        raise SpecificationError(
            f"layer {short(layer.digest)} is encrypted",
            place=place,
            hint="skopeo copy --decryption-key KEY …   # writes one that can be imported",
        )


def _from_docker_archive(files: Files, path: Path, expected: str | None) -> Arriving:
    place = str(path)
    entries = parsed(document(files, "manifest.json"), "manifest.json", place)
    if isinstance(entries, dict):
        raise SpecificationError(
            "this is neither an OCI layout nor a docker-archive: its manifest.json is that of "
            "skopeo's form dir:",
            place=place,
            hint=f"skopeo copy {quoted(f'dir:{path}')} oci:NEW   # then import NEW",
        )
    if not isinstance(entries, list):
        raise IntegrityError("manifest.json is not a list of images", place=place)
    found: dict[str, tuple[Saved, bytes]] = {}
    for entry in entries:
        saved = read(Saved, entry, "manifest.json", place)
        if not files.has(saved.config):
            raise IntegrityError(f"it lacks {shown(saved.config)}", place=place)
        config = document(files, saved.config)
        _check_name(saved.config, config, place)
        found.setdefault(sha256_bytes(config), (saved, config))
        if (len(found) > 1 and expected is None) or len(found) > _MOST_IMAGES:
            break
    if expected in found:
        found = {sha256_bytes(found[expected][1]): found[expected]}
    if len(found) != 1:
        names = (shown((saved.tags or ("one without a tag",))[0]) for saved, _ in found.values())
        raise SpecificationError(
            f"it does not hold exactly one image{': ' if found else ''}{listed(names)}",
            place=place,
            hint=ONE_HINT,
        )
    saved, config = next(iter(found.values()))
    layers = [_opener(files, layer, path) for layer in saved.layers or ()]
    return Arriving(config, layers, None, files.allowance, files.arrives)


_MOST_IMAGES = 1000
_HEX = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?")


def _check_name(name: str, config: bytes, place: str) -> None:
    """Compare a config with the digest in its name, if there is one.

    Docker writes `<hex>.json`, newer ones `blobs/sha256/<hex>`; crane, ko and kaniko write
    `sha256:<hex>`; others have names without a meaning.
    """
    named = _HEX.fullmatch(name)
    if named and PREFIX + named[1] != sha256_bytes(config):
        raise IntegrityError("its config is not the one it is named for", place=place)


def _opener(files: Files, name: str, path: Path) -> Opener:
    if not files.has(name):
        raise IntegrityError(f"it lacks {shown(name)}", place=str(path))
    return lambda: files.open(name)


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix(PREFIX)}"


@contextmanager
def _malformed(path: Path) -> Iterator[None]:
    """Turn what else a malformed archive gives into a sentence with its place."""
    try:
        yield
    except ReprunError as error:
        if error.place is None and isinstance(error, IntegrityError | SpecificationError):
            raise type(error)(error.message, place=str(path), hint=error.hint) from error
        raise
    except (EOFError, zlib.error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"the archive is malformed: {error!r}", place=str(path)) from error

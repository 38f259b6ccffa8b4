"""Images of the catalogue that others publish: nothing here can rebuild them.

`image.toml` says where one comes from and what it needs of a host; `external.lock` says which
one it is, by digest. Until there is such a lock the image is refused: a tag may point
elsewhere tomorrow, so a tag is looked at once, by `reprun images pin`, and never run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun.documents.reading import Document, read_toml, validated
from reprun.errors import ImageNotHereError, SpecificationError
from reprun.images.catalogue.definition import IMAGE_TOML
from reprun.images.catalogue.image_lock import Digest, LayerTable
from reprun.images.catalogue.image_toml import ExternalImage, Needs, Published
from reprun.images.catalogue.lockfiles import layer_lines, write_lock
from reprun.images.model import Image, Layer
from reprun.wording import quoted


@dataclass(frozen=True, slots=True)
class External:
    """What `image.toml` says of an image that is published elsewhere."""

    directory: Path
    name: str
    title: str
    published: Published
    needs: Needs

    @property
    def place(self) -> Path:
        """The image.toml itself."""
        return self.directory / IMAGE_TOML

    @property
    def lock_place(self) -> Path:
        """Where its digest is written."""
        return self.directory / "external.lock"


@dataclass(frozen=True, slots=True)
class ExternalLock:
    """Which image it is; layers are known once it has been pulled or imported."""

    image_id: str
    source: str | None
    """`repository@sha256:…`, where a registry has it."""
    manifest: str | None
    """Digest of the manifest over its uncompressed layers, as the store holds them."""
    layers: tuple[Layer, ...]
    environment: Mapping[str, str]


class ExternalLockDocument(Document):
    """The whole of `external.lock`, written by `reprun images pin`, `pull` or `import`."""

    image: Digest
    """Image ID: the digest of the OCI config."""
    source: str | None = None
    """`repository@sha256:…`, where a registry has it."""
    manifest: Digest | None = None
    """Digest of the manifest over its uncompressed layers; known once it has been pulled."""
    environment: Mapping[str, str] = {}
    """The environment of its config."""
    layers: tuple[LayerTable, ...] = ()
    """Its layers; known once it has been pulled."""


def is_external(place: Path) -> bool:
    """Tell whether an image.toml describes an image that is published elsewhere."""
    try:
        return "external" in read_toml(place)[0]
    except SpecificationError:
        return False


def external_of(document: ExternalImage, directory: Path) -> External:
    """Return the image that an image.toml in a directory describes."""
    return External(directory, document.name, document.title, document.external, document.needs)


def read_external_lock(external: External) -> ExternalLock:
    """Return which image it is; raise SpecificationError, with the reason, when nobody knows."""
    place = external.lock_place
    if not place.exists():
        raise ImageNotHereError(
            f"image '{external.name}' is external and no digest is known for it yet "
            f"({external.published.reason}); it is never run by its tag",
            place=str(external.place),
            hint=f"reprun images pin {external.name}   # needs its registry; without one: "
            f"reprun images import {external.name} FILE",
        )
    hint = (
        f"git checkout -- {quoted(place)}   # or remove it, then: reprun images pin {external.name}"
    )
    content, lines = read_toml(place, hint=hint)
    document = validated(ExternalLockDocument, content, place, lines, hint=hint)
    return ExternalLock(
        image_id=document.image,
        source=document.source,
        manifest=document.manifest,
        layers=tuple(each.layer() for each in document.layers),
        environment=dict(document.environment),
    )


def locked_external(external: External) -> Image:
    """Return the image; raise SpecificationError when it was never pinned or never pulled."""
    lock = read_external_lock(external)
    if lock.manifest is None:
        raise ImageNotHereError(
            f"image '{external.name}' is pinned but not pulled; its layers are unknown",
            place=str(external.lock_place),
            hint=f"reprun images pull {external.name}",
        )
    return Image(external.name, lock.image_id, lock.manifest, lock.layers, lock.environment)


def write_external_lock(external: External, lock: ExternalLock) -> None:
    """Write `external.lock`."""
    lines = [
        "# Written by `reprun images pin`, `pull` or `import`; compared with every later one.",
        f'image = "{lock.image_id}"',
    ]
    if lock.source:
        lines.append(f'source = "{lock.source}"')
    if lock.manifest:
        lines.append(f'manifest = "{lock.manifest}"')
    if lock.environment:
        lines += ["", "[environment]"]
        lines += [
            f"{_toml_string(key)} = {_toml_string(value)}"
            for key, value in sorted(lock.environment.items())
        ]
    lines += layer_lines(lock.layers)
    write_lock(external.lock_place, "\n".join(lines) + "\n")


def _toml_string(text: str) -> str:
    """Return a basic string of TOML: JSON's but for its pairs of escapes, and DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

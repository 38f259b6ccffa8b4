"""The document `image.lock`: which image a build gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from reprun.documents.reading import Document, read_toml, validated
from reprun.documents.validation import DIGEST
from reprun.errors import SpecificationError
from reprun.files import restoring
from reprun.images.catalogue.lockfiles import (
    BUILDER_FORMAT,
    ImageLock,
    lock_command,
    not_locked,
)
from reprun.images.model import Layer

Digest = Annotated[str, Field(pattern=DIGEST)]
Size = Annotated[int, Field(strict=True, ge=0)]


class LayerTable(Document):
    """One `[[layers]]` of a lock: a layer of the image, the lowest first."""

    digest: Digest
    """Digest of the uncompressed tar."""
    size: Size
    """Its size in bytes."""
    comment: str
    """What is in it."""

    def layer(self) -> Layer:
        """Return it as the rest of the program knows it."""
        return Layer(self.digest, self.size, self.comment)


class ImageLockDocument(Document):
    """The whole of `image.lock`, written by a build."""

    builder: Annotated[int, Field(strict=True)]
    """Version of the rules that turned locks into bytes."""
    image: Digest
    """Image ID: the digest of the OCI config."""
    manifest: Digest
    """Digest of the OCI manifest."""
    tree: Digest
    """Digest of the file tree, equal for the same files whatever built the image."""
    published: str = ""
    """`registry/name@sha256:…` where it can be pulled instead of built."""
    layers: tuple[LayerTable, ...]
    """Its layers."""


def read_image_lock(path: Path) -> ImageLock:
    """Read `image.lock`; raise SpecificationError when it is absent or malformed."""
    hint = lock_command(path)
    if not path.exists():
        raise not_locked(path)
    content, lines = read_toml(path, hint=restoring(path, otherwise=hint))
    document = validated(ImageLockDocument, content, path, lines, hint=hint)
    lock = ImageLock(
        builder=document.builder,
        image_id=document.image,
        manifest=document.manifest,
        tree=document.tree,
        layers=tuple(each.layer() for each in document.layers),
        published=document.published,
    )
    if lock.builder != BUILDER_FORMAT:
        raise SpecificationError(
            f"image.lock was written for builder format {lock.builder}; "
            f"this reprun builds format {BUILDER_FORMAT}",
            place=str(path),
            hint=f"{hint}   # or use the release of reprun that wrote it",
        )
    return lock

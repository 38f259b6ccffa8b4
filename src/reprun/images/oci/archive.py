"""An image as one tar: an OCI layout that is also a docker-archive."""

from __future__ import annotations

from typing import Any, Protocol

from reprun.digests import CHUNK, PREFIX, canonical_json
from reprun.errors import IntegrityError
from reprun.images.archives.tarlayer import END_OF_ARCHIVE, header, padding
from reprun.images.archives.tree import Content, Entry, Kind
from reprun.images.model import Image
from reprun.images.oci.layout import index_of, tag_of
from reprun.images.stored import verify_stored
from reprun.store.store import Store


class Output(Protocol):
    """Where an archive is written: a file, a pipe, a daemon's request body."""

    def write(self, data: bytes, /) -> Any:
        """Take some bytes."""


def docker_archive(image: Image, store: Store, out: Output) -> None:
    """Write the image as one tar: an OCI layout that is also a docker-archive.

    `docker load`, `podman load` and `skopeo copy oci-archive:…` take it. The bytes depend on
    the image alone. Raises IntegrityError when a part in the store has changed.
    """
    verify_stored(image, store)
    blobs = sorted({image.image_id, image.manifest, *(layer.digest for layer in image.layers)})
    manifest = [
        {
            "Config": _blob_name(image.image_id),
            "Layers": [_blob_name(layer.digest) for layer in image.layers],
            "RepoTags": [tag_of(image)],
        }
    ]
    for name in ("blobs", "blobs/sha256"):
        out.write(header(name, Entry(Kind.DIRECTORY, 0o755, "")))
    for part in blobs:
        _write_blob(part, store, out)
    for name, data in (
        ("index.json", index_of(image, store)),
        ("manifest.json", canonical_json(manifest)),
        ("oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"})),
    ):
        _write_header(name, len(data), out)
        out.write(data + padding(len(data)))
    out.write(END_OF_ARCHIVE)


def _write_blob(part: str, store: Store, out: Output) -> None:
    path = store.verified(part)
    size = path.stat().st_size
    _write_header(_blob_name(part), size, out)
    with path.open("rb") as stream:
        left = size
        while left:
            chunk = stream.read(min(CHUNK, left))
            if not chunk:
                raise IntegrityError(f"{path} was truncated while it was read", place=str(path))
            out.write(chunk)
            left -= len(chunk)
    out.write(padding(size))


def _write_header(name: str, size: int, out: Output) -> None:
    out.write(header(name, Entry(Kind.FILE, 0o644, "", content=Content(0, size, ""))))


def _blob_name(part: str) -> str:
    return f"blobs/sha256/{part.removeprefix(PREFIX)}"

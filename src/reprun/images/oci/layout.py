"""An image as the OCI formats write it: config, manifest, index, and a tar for `docker load`.

All of it follows from a definition and the layers' digests; nothing here knows the time, the
host or the user. Layers lie uncompressed, so a layer's digest is also its diff_id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from reprun.digests import CHUNK, PREFIX, canonical_json, sha256_bytes, short
from reprun.errors import IntegrityError
from reprun.images.archives.tarlayer import END_OF_ARCHIVE, EPOCH, header, padding
from reprun.images.archives.tree import Content, Entry, Kind
from reprun.images.model import Image, Layer
from reprun.images.stored import verify_stored
from reprun.store.store import Store

if TYPE_CHECKING:
    from reprun.images.catalogue.definition import Definition

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

DOCUMENTS = "usr/share/reprun"
CREATED = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))

digest = sha256_bytes


class Output(Protocol):
    """Where an archive is written: a file, a pipe, a daemon's request body."""

    def write(self, data: bytes, /) -> Any:
        """Take some bytes."""


def documents_layer(documents: Mapping[str, bytes]) -> bytes:
    """Return the last layer: what the image was made from, readable inside it."""
    directories = ("usr", "usr/share", DOCUMENTS)
    parts = [header(name, Entry(Kind.DIRECTORY, 0o755, "")) for name in directories]
    for name, data in sorted(documents.items()):
        content = Content(0, len(data), "")
        parts += [
            header(f"{DOCUMENTS}/{name}", Entry(Kind.FILE, 0o644, "", content=content)),
            data,
            padding(len(data)),
        ]
    return b"".join([*parts, END_OF_ARCHIVE])


def config_of(definition: Definition, layers: Sequence[Layer]) -> bytes:
    """Return the OCI config, whose digest is the image ID."""
    return canonical_json(
        {
            "architecture": definition.architecture,
            "config": {
                "Cmd": ["/bin/bash"],
                "Env": [f"{key}={value}" for key, value in sorted(definition.environment.items())],
                "Labels": {
                    "io.reprun.image": definition.name,
                    "org.opencontainers.image.title": definition.title,
                },
                "User": "1000:1000",
                "WorkingDir": "/work",
            },
            "created": CREATED,
            "history": [{"created": CREATED, "created_by": layer.comment} for layer in layers],
            "os": "linux",
            "rootfs": {"diff_ids": [layer.digest for layer in layers], "type": "layers"},
        }
    )


def manifest_of(config: bytes, layers: Sequence[Layer]) -> bytes:
    """Return the OCI manifest."""
    return canonical_json(
        {
            "config": {"digest": digest(config), "mediaType": CONFIG_TYPE, "size": len(config)},
            "layers": [
                {"digest": layer.digest, "mediaType": LAYER_TYPE, "size": layer.size}
                for layer in layers
            ],
            "mediaType": MANIFEST_TYPE,
            "schemaVersion": 2,
        }
    )


def index_of(image: Image, store: Store) -> bytes:
    """Return the OCI index of a layout that holds this one image."""
    manifest = store.verified(image.manifest).stat().st_size
    config = json.loads(store.verified(image.image_id).read_bytes())
    return canonical_json(
        {
            "manifests": [
                {
                    "annotations": {
                        "io.containerd.image.name": tag_of(image),
                        "org.opencontainers.image.ref.name": tag_of(image),
                    },
                    "digest": image.manifest,
                    "mediaType": MANIFEST_TYPE,
                    "platform": {"architecture": config["architecture"], "os": config["os"]},
                    "size": manifest,
                }
            ],
            "schemaVersion": 2,
        }
    )


def tag_of(image: Image) -> str:
    """Return the tag under which `docker load` shows the image to people."""
    return f"reprun/{image.name}:{short(image.image_id)}"


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
                raise IntegrityError(f"{path} was cut short while it was read", place=str(path))
            out.write(chunk)
            left -= len(chunk)
    out.write(padding(size))


def _write_header(name: str, size: int, out: Output) -> None:
    out.write(header(name, Entry(Kind.FILE, 0o644, "", content=Content(0, size, ""))))


def _blob_name(part: str) -> str:
    return f"blobs/sha256/{part.removeprefix(PREFIX)}"

"""An image as the OCI formats write it: config, manifest, index, and a tar for `docker load`.

All of it follows from a definition and the layers' digests; nothing here knows the time, the
host or the user. Layers lie uncompressed, so a layer's digest is also its diff_id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reprun.digests import canonical_json, sha256_bytes, short
from reprun.images.archives.tarlayer import END_OF_ARCHIVE, EPOCH, header, padding
from reprun.images.archives.tree import Content, Entry, Kind
from reprun.images.model import Image, Layer
from reprun.store.store import Store

if TYPE_CHECKING:
    from reprun.images.catalogue.definition import Definition

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

DOCUMENTS = "usr/share/reprun"
CREATED = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))

digest = sha256_bytes


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

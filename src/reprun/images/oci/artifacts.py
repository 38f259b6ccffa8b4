"""Files of any kind in a registry, by their digest: each the one layer of an artifact.

An artifact is a manifest with an empty config, for a registry drops blobs that no manifest names
(OCI image specification 1.1, manifest.md, "Guidelines for Artifact Usage").
"""

from __future__ import annotations

import io
from pathlib import Path

from reprun.digests import CHUNK, canonical_json, sha256_bytes
from reprun.images.oci.layout import MANIFEST_TYPE
from reprun.images.oci.registry import Bounded, Registry, parse_reference
from reprun.store.store import Store

ARTIFACT_TYPE = "application/vnd.reprun.file.v1"
EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
FILE_TYPE = "application/octet-stream"


def push_file(path: Path, digest: str, repository: str) -> None:
    """Upload a file, which has that digest, to `HOST/REPOSITORY`, unless it is there.

    Raises SpecificationError for what is not a repository, and RegistryError and InputsGoneError
    for a registry that refuses or does not answer.
    """
    registry = Registry(parse_reference(repository))
    size = path.stat().st_size
    if not registry.has_blob(digest):
        with path.open("rb") as stream:
            registry.push_blob(digest, stream, size)
    config = sha256_bytes(EMPTY)
    if not registry.has_blob(config):
        registry.push_blob(config, io.BytesIO(EMPTY), len(EMPTY))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": config, "size": len(EMPTY)},
        "layers": [{"mediaType": FILE_TYPE, "digest": digest, "size": size}],
    }
    registry.push_manifest(canonical_json(manifest), MANIFEST_TYPE)


def fetch_file(digest: str, size: int, repository: str, store: Store) -> None:
    """Bring a file of `size` bytes into the store.

    Raises IntegrityError for other bytes, and as `push_file` does.
    """
    registry = Registry(parse_reference(repository))
    with registry.blob(digest) as stream, store.incoming() as incoming:
        bounded = io.BufferedReader(Bounded(stream, size, digest), CHUNK)
        while chunk := bounded.read(CHUNK):
            incoming.write(chunk)
        store.commit(incoming, expected=digest)

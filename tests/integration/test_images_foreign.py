"""An image that others made, with an entry point, a user and an environment of its own.

Both engines treat it alike: a job's command takes the place of the entry point, as
`docker run --entrypoint` and REANA do it, and runs as the caller; the environment is kept.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from reprun.digests import canonical_json
from reprun.engines.base import ContainerEngine, ContainerJob
from reprun.engines.docker import DockerEngine
from reprun.engines.runc import RuncEngine
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.images.oci.layout import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from reprun.images.transfer import import_file
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import external_toml, member

SCRIPT = 'tool; echo "$GREETING"; echo "$PATH"; id -u; pwd; echo "$TZ"; touch /usr/x || echo sealed'


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A directory that is gone after the tests: unpacked images are large."""
    with tempfile.TemporaryDirectory(prefix="reprun-foreign-") as directory:
        yield Path(directory)


def foreign(config: dict[str, Any], base: Image, store: Store, home: Path) -> tuple[Image, Store]:
    """Import an OCI layout: a real root directory, one more layer, and this config."""
    blobs = Store(home / "made")
    layers = []
    for layer in base.layers:
        store.place(layer.digest, blobs.blob_path(layer.digest))
        layers.append({"digest": layer.digest, "size": layer.size})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, data in (
            member("opt/tool/bin/tool", b"#!/bin/sh\necho found by PATH\n", mode=0o755),
            member("opt/entrypoint", b"#!/bin/sh\necho the entry point ran\n", mode=0o755),
        ):
            tar.addfile(info, io.BytesIO(data))
    layers.append({"digest": blobs.add_bytes(buffer.getvalue()), "size": len(buffer.getvalue())})
    data = canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
    )
    described = {"digest": blobs.add_bytes(data), "size": len(data), "mediaType": CONFIG_TYPE}
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described,
            "layers": [{**layer, "mediaType": LAYER_TYPE} for layer in layers],
        }
    )
    entry = {"digest": blobs.add_bytes(manifest), "size": len(manifest), "mediaType": MANIFEST_TYPE}
    layout = home / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    for path in (blobs.root / "blobs").rglob("*"):
        if path.is_file():
            (layout / "blobs" / "sha256" / path.name).hardlink_to(path)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    place = home / "images" / "foreign"
    place.mkdir(parents=True)
    (place / "image.toml").write_text(external_toml("foreign", "docker.io/some/thing"))
    taken = Store(home / "store")
    image = import_file("foreign", layout, Catalogue(place.parent), taken, Silent())
    assert image.image_id == described["digest"]
    return image, taken


def said_by(engine: ContainerEngine, image: Image) -> str:
    """Return what the script prints under an engine."""
    out, err = bytearray(), bytearray()
    job = ContainerJob(image, ["bash", "-c", SCRIPT], working_directory="/opt")
    done = engine.run(job, stdout=out.extend, stderr=err.extend, cancel=Event())
    assert done.exit_code == 0, err.decode()
    return out.decode()


def test_both_engines_keep_the_environment_and_replace_entry_point_and_user(
    catalogue: Catalogue, store: Store, docker_url: str, scratch: Path
) -> None:
    config = {
        "Entrypoint": ["/opt/entrypoint"],
        "Cmd": ["never"],
        "User": "1234:1234",
        "WorkingDir": "/nowhere",
        # TZ is one of the variables that are the same for every job.
        "Env": ["PATH=/opt/tool/bin:/usr/bin:/bin", "GREETING=a=b c", "TZ=Europe/Zurich"],
    }
    base = ensure("generator", catalogue, store, Silent())
    image, taken = foreign(config, base, store, scratch)
    expected = [
        *("found by PATH", "a=b c", "/opt/tool/bin:/usr/bin:/bin"),
        *(str(os.getuid()), "/opt", "UTC", "sealed"),
    ]
    assert said_by(RuncEngine(taken), image).splitlines() == expected
    docker = DockerEngine(taken, base_url=docker_url)
    try:
        assert said_by(docker, image).splitlines() == expected
    finally:
        docker.close()


def test_an_image_without_a_search_path_gets_the_usual_one(
    catalogue: Catalogue, store: Store
) -> None:
    """As Docker does it; runc alone would not find `bash`."""
    base = ensure("generator", catalogue, store, Silent())
    bare = replace(base, environment={})
    out = bytearray()
    job = ContainerJob(bare, ["bash", "-c", "echo $PATH"], working_directory="/")
    assert (
        RuncEngine(store).run(job, stdout=out.extend, stderr=print, cancel=Event()).exit_code == 0
    )
    assert out.decode() == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"

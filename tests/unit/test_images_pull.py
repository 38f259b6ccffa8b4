"""Images of other builders out of a registry: chosen, bounded and unpacked as out of a file."""

from __future__ import annotations

import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_bytes
from reprun.errors import IntegrityError, ReprunError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.transfer import pin, pull
from reprun.progress import Silent
from reprun.store.store import Store
from tests.foreign_images import APP, BASE, Layout, config_of, kaniko_layers
from tests.images_support import external_toml, member, tar_bytes

pytestmark = pytest.mark.slow


@contextmanager
def registry(made: Layout) -> Iterator[str]:
    """Serve the blobs of a layout, and its first manifest as the tag `v1`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            digest = made.manifests[0]["digest"] if name == "v1" else name
            data = made.blobs.get(f"blobs/sha256/{digest[7:]}")
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Type", "application/vnd.oci.image.index.v1+json")
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/a/b"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Said(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def pulled(directory: Path, made: Layout, said: Said | None = None) -> tuple[Image, Store]:
    """Pin and pull what a registry serves."""
    home = directory / "images" / "foreign"
    home.mkdir(parents=True)
    catalogue, store = Catalogue(home.parent), Store(directory / "store")
    with registry(made) as where:
        (home / "image.toml").write_text(external_toml("foreign", where))
        pin("foreign", catalogue)
        before = (home / "external.lock").read_text()
        try:
            return pull("foreign", catalogue, store, said or Said()), store
        except ReprunError:
            assert (home / "external.lock").read_text() == before
            assert not [p for p in store.root.rglob("*") if p.is_file() and p.name != "lock"]
            raise


def test_the_image_of_an_index_is_pulled(tmp_path: Path) -> None:
    made = Layout()
    layers = [tar_bytes(each, "w") for each in kaniko_layers()]
    low, high = config_of(layers), config_of(layers, variant="v3")
    platform = {"architecture": "amd64", "os": "linux"}
    attestation = made.image([b"{}"], platform={"architecture": "unknown", "os": "unknown"})
    arm = made.image(layers, platform={"architecture": "arm64", "os": "linux"})
    v3 = made.image(layers, config=high, platform={**platform, "variant": "v3"})
    v1 = made.image(layers, config=low, platform=platform)
    made.manifests = [made.index([attestation, arm, v3, v1, v1])]
    image, store = pulled(tmp_path, made)
    assert image.image_id == sha256_bytes(low)
    assert (unpacked_root(image, store) / "usr/bin/awk").read_text() == "awk"


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    made = Layout()
    pipe = member("run/initctl", b"", type=tarfile.FIFOTYPE)
    made.manifests = [made.image([tar_bytes([*BASE, pipe], "w")])]
    said = Said()
    pulled(tmp_path, made, said)
    assert said.lines == ["note: layer 1 of image 'foreign': 1 named pipe left out: run/initctl"]


def changed(layers: list[bytes], **change: Any) -> Layout:
    """Return a registry whose manifest describes its first layer otherwise."""
    made = Layout()
    image = made.image(layers, config=config_of(layers))
    document = json.loads(made.blobs[f"blobs/sha256/{image['digest'][7:]}"])
    document["layers"][0] |= change
    made.manifests = [made.document(document, image["mediaType"])]
    return made


@pytest.mark.parametrize(
    ("made", "kind", "message"),
    [
        (changed([tar_bytes(APP, "w")], size=10), IntegrityError, "longer than the 10 bytes"),
        (changed([tar_bytes(APP, "w")], mediaType="application/x.tar+encrypted"),
         SpecificationError, "is encrypted"),
        (changed([tar_bytes(APP, "w")], digest="sha256:x"), IntegrityError, "is not a digest"),
        (changed([tar_bytes([member("../x", b"")], "w")]), IntegrityError, "leaves the tree"),
        (changed([tar_bytes([member("a/" * 999, b"")], "w")]), IntegrityError, "directories deep"),
        (changed([b"no tar" * 500]), IntegrityError, "is not a tar archive"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_not_pulled_and_leaves_nothing(
    tmp_path: Path, made: Layout, kind: type[ReprunError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        pulled(tmp_path, made)
    assert "127.0.0.1" in (caught.value.place or "")


def test_a_manifest_that_says_no_size_is_taken(tmp_path: Path) -> None:
    image, _ = pulled(tmp_path, changed([tar_bytes(APP, "w")], size=None))
    assert image.layers


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[" * 5000, "nested more than 64 deep|is not JSON"),
        (b"{}" + b" " * (5 << 20), r"a document of more than 4\.2 MB"),
        (b"[]", "is not a JSON object"),
        (b"{}", "its manifest is malformed: config"),
        (b'{"manifests": []}', "holds 0 images for linux/amd64"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "of schema 1"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, document: bytes, message: str) -> None:
    made = Layout()
    made.manifests = [made.blob(document, "x")]
    with pytest.raises(ReprunError, match=message):
        pulled(tmp_path, made)

"""Images as other builders write them, made by the tests themselves."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprun.digests import sha256_bytes
from tests.images_support import external_toml, member, tar_bytes

Members = Iterable[tuple[tarfile.TarInfo, bytes]]
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
BASE = [member("etc/"), member("etc/base", b"base\n")]
APP = [member("app/"), member("app/run", b"#!/bin/sh\n", mode=0o755)]


def hex_of(data: bytes) -> str:
    """Return the 64 digits that name a blob."""
    return hashlib.sha256(data).hexdigest()


def packed(data: bytes) -> bytes:
    """Return gzip as reproducible builders write it: without time and name."""
    return gzip.compress(data, mtime=0)


def as_tar(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """Return an archive of files, and of symbolic links after them."""
    entries = [member(name, data) for name, data in files.items()]
    entries += [
        member(name, b"", type=tarfile.SYMTYPE, linkname=target)
        for name, target in (links or {}).items()
    ]
    return tar_bytes(entries, "w")


def config_of(layers: Iterable[bytes], **more: Any) -> bytes:
    """Return the config of an image with these plain layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"], "User": "nobody"},
        "rootfs": {"type": "layers", "diff_ids": [sha256_bytes(each) for each in layers]},
        **more,
    }
    return json.dumps({key: value for key, value in document.items() if value != ""}).encode()


@dataclass
class Layout:
    """An OCI layout in the making."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: list[dict[str, Any]] = field(default_factory=list)

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Add a blob; return its descriptor."""
        self.blobs[f"blobs/sha256/{hex_of(data)}"] = data
        return {"mediaType": media_type, "digest": sha256_bytes(data), "size": len(data), **more}

    def document(self, document: Any, media_type: str, **more: Any) -> dict[str, Any]:
        """Add a JSON document; return its descriptor."""
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def image(
        self,
        layers: Iterable[bytes],
        *,
        pack: Any = packed,
        config: bytes | None = None,
        layer_type: str = f"{OCI}.layer.v1.tar+gzip",
        **more: Any,
    ) -> dict[str, Any]:
        """Add an image; return the descriptor of its manifest."""
        layers = list(layers)
        data = config_of(layers) if config is None else config
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.blob(data, f"{OCI}.config.v1+json"),
            "layers": [self.blob(pack(each), layer_type) for each in layers],
        }
        return self.document(manifest, f"{OCI}.manifest.v1+json", **more)

    def index(self, manifests: Iterable[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Add an index; return its descriptor."""
        document = {"schemaVersion": 2, "manifests": list(manifests)}
        return self.document(document, f"{OCI}.index.v1+json", **more)

    def files(self) -> dict[str, bytes]:
        """Return the files of the layout."""
        index = json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, **self.blobs}

    def archive(self) -> bytes:
        """Return the layout as a tar."""
        return as_tar(self.files())


def named(tag: str) -> dict[str, Any]:
    """Return what a descriptor with a tag has."""
    return {"annotations": {"org.opencontainers.image.ref.name": tag}}


def docker_archive(
    layers: Iterable[tuple[str, bytes]],
    config_name: str,
    config: bytes,
    *,
    tags: Any = ("x:latest",),
) -> dict[str, bytes]:
    """Return the files of a docker-archive with layers by their names in it."""
    layers = list(layers)
    entry = {"Config": config_name, "RepoTags": tags, "Layers": [name for name, _ in layers]}
    return {config_name: config, **dict(layers), "manifest.json": json.dumps([entry]).encode()}


# -- the builders ----------------------------------------------------------------------------


def crane(layers: list[bytes]) -> bytes:
    """`crane pull`, ko and kaniko (go-containerregistry): config `sha256:<hex>`, no suffix."""
    config = config_of(layers)
    named_layers = [(f"{hex_of(packed(each))}.tar.gz", packed(each)) for each in layers]
    return as_tar(docker_archive(named_layers, f"sha256:{hex_of(config)}", config))


def old_docker_save(layers: list[bytes]) -> bytes:
    """`docker save` until 24: a directory for each layer, an equal layer as a link."""
    config = config_of(layers)
    files: dict[str, bytes] = {f"{hex_of(config)}.json": config, "repositories": b"{}"}
    links: dict[str, str] = {}
    names: list[str] = []
    first: dict[bytes, str] = {}
    for number, layer in enumerate(layers):
        home = hex_of(b"%d" % number + layer)
        files |= {f"{home}/VERSION": b"1.0", f"{home}/json": b"{}"}
        name = f"{home}/layer.tar"
        if layer in first:
            links[name] = f"../{first[layer]}"
        else:
            first[layer] = name
            files[name] = layer
        names.append(name)
    entry = {"Config": f"{hex_of(config)}.json", "RepoTags": None, "Layers": names}
    return as_tar({**files, "manifest.json": json.dumps([entry]).encode()}, links=links)


def new_docker_save(layers: list[bytes]) -> bytes:
    """`docker save` from 25 on: an OCI layout and a docker-archive over the same blobs."""
    made = Layout()
    image = made.image(layers, pack=bytes, layer_type=f"{OCI}.layer.v1.tar", **named("latest"))
    made.manifests = [image]
    config = config_of(layers)
    entry = {
        "Config": f"blobs/sha256/{hex_of(config)}",
        "RepoTags": ["x:latest"],
        "Layers": [f"blobs/sha256/{hex_of(each)}" for each in layers],
        "LayerSources": {},
    }
    manifest = json.dumps([entry]).encode()
    return as_tar({**made.files(), "manifest.json": manifest, "repositories": b"{}"})


def podman_save(layers: list[bytes]) -> bytes:
    """`podman save`: layers by digest, links to them in directories as Docker had them."""
    config = config_of(layers)
    named_layers = [(f"{hex_of(each)}.tar", each) for each in layers]
    files = docker_archive(named_layers, f"{hex_of(config)}.json", config, tags=["x:1", "x:2"])
    links = {f"{hex_of(name.encode())}/layer.tar": f"../{name}" for name, _ in named_layers}
    return as_tar({**files, "repositories": b"{}"}, links=links)


def skopeo_oci_archive(layers: list[bytes]) -> bytes:
    """`skopeo copy … oci-archive:FILE:TAG`."""
    made = Layout()
    made.manifests = [made.image(layers, **named("tag"))]
    return made.archive()


def buildx(layers: list[bytes]) -> bytes:
    """`docker buildx build --output type=oci`: an index with the image and its attestation."""
    made = Layout()
    image = made.image(layers, platform={"architecture": "amd64", "os": "linux"})
    about = {"vnd.docker.reference.digest": image["digest"]}
    attestation = made.image(
        [b"{}"],
        pack=bytes,
        layer_type="application/vnd.in-toto+json",
        platform={"architecture": "unknown", "os": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest", **about},
    )
    made.manifests = [made.index([image, attestation], **named("latest"))]
    return made.archive()


def buildah_docker_types(layers: list[bytes]) -> bytes:
    """A layout with Docker's media types, as `skopeo copy --preserve-digests` writes it."""
    made = Layout()
    layer_type = f"{DOCKER}.image.rootfs.diff.tar.gzip"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
        "config": made.blob(config_of(layers), f"{DOCKER}.container.image.v1+json"),
        "layers": [made.blob(packed(each), layer_type) for each in layers],
    }
    made.manifests = [made.document(manifest, f"{DOCKER}.distribution.manifest.v2+json")]
    return made.archive()


BUILDERS = {
    "crane": crane,
    "docker save 24": old_docker_save,
    "docker save 25": new_docker_save,
    "podman save": podman_save,
    "skopeo oci-archive": skopeo_oci_archive,
    "buildx": buildx,
    "docker types in a layout": buildah_docker_types,
}


def jib_layers() -> list[Members]:
    """Many layers, times 1 s after 1970, directories again in each, absolute owners 0."""
    kinds = ("libs", "resources", "classes")
    return [
        [
            member("app/", mtime=1),
            member(f"app/{kind}/", mtime=1),
            member(f"app/{kind}/{number}.jar", f"{kind} {number}".encode(), mtime=1),
            member("app/", mtime=1),
        ]
        for kind in kinds
        for number in range(20)
    ]


def buildpack_layers() -> list[Members]:
    """Times of 1980-01-01, absolute names, no parents, a thousand other owners."""
    return [
        [
            member(
                f"/layers/paketo_{n}/bin/tool", b"#!", mtime=315532801, mode=0o755, uid=1000 + n
            ),
            member("/cnb/lifecycle/launcher", b"#!", mtime=315532801, mode=0o755, gid=1000),
            member(f"/layers/config/{n}.toml", b"", mtime=315532801),
        ]
        for n in range(40)
    ]


def ko_layers() -> list[Members]:
    """A static base, the program in /ko-app, data below /var/run/ko without their parents."""
    return [
        [member("./"), member("./etc/passwd", b"root:x:0:0::/:/bin/sh\n")],
        [member("/var/run/ko", mode=0o555), member("/var/run/ko/data", b"d", mode=0o444)],
        [member("/ko-app", mode=0o555), member("/ko-app/main", b"\x7fELF", mode=0o555)],
    ]


def kaniko_layers() -> list[Members]:
    """Whole snapshots: absolute hard links, whiteouts, directories again."""
    return [
        [member("usr/bin/gawk", b"awk"), member("tmp/", mode=0o1777), member("kaniko/x", b"")],
        [
            member("/"),
            member("usr/"),
            member("usr/bin/"),
            member("usr/bin/awk", b"", type=tarfile.LNKTYPE, linkname="/usr/bin/gawk"),
            member(".wh.kaniko", b""),
            member("workspace/", mode=0o755),
        ],
    ]


CONTENTS: dict[str, Callable[[], list[Members]]] = {
    "plain": lambda: [BASE, APP],
    "equal layers": lambda: [BASE, APP, BASE],
    "no layers": list,
    "empty layer": lambda: [BASE, []],
    "jib": jib_layers,
    "buildpacks": buildpack_layers,
    "ko": ko_layers,
    "kaniko": kaniko_layers,
}


def catalogue_with(directory: Path, name: str = "foreign") -> Path:
    """Write a catalogue with one image that others publish; return its place."""
    home = directory / "images" / name
    home.mkdir(parents=True, exist_ok=True)
    (home / "image.toml").write_text(external_toml(name, "docker.io/some/thing"))
    return home.parent


def unpack(archive: bytes, directory: Path) -> Path:
    """Unpack an archive of this module into a directory."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory, filter="fully_trusted")
    return directory

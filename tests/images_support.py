"""Tiny Debian packages, wheels and catalogues that the image tests make for themselves."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reprun.digests import canonical_json
from reprun.images.builder.build import build
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.external import External, ExternalLock, write_external_lock
from reprun.images.catalogue.image_toml import Needs, Published
from reprun.images.catalogue.lockfiles import (
    DebEntry,
    WheelEntry,
    debs_text,
    image_lock_text,
    wheels_text,
)
from reprun.images.model import Image, Layer
from reprun.images.oci.layout import manifest_of
from reprun.progress import Silent
from reprun.store.store import Store

IMAGE_TOML = """\
name = "{name}"
title = "A tiny image"

[debian]
suite = "bookworm"
architecture = "amd64"
packages = ["hello"]

[python]
version = "3.11"
executable = "/usr/bin/python3"
site = "usr/local/lib/python3.11/dist-packages"
prefix = "usr/local"
platforms = ["manylinux_2_28_x86_64"]
requirements = ["greet"]

[environment]
PATH = "/usr/local/bin:/usr/bin:/bin"
TZ = "UTC"
"""

SITE = "usr/local/lib/python3.11/dist-packages"


def member(name: str, data: bytes | None = None, **facts: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar member: a file with `data`, else what `type` says, a directory by default."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.mode = 0o755 if data is None else 0o644
    info.size = len(data or b"")
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data or b""


def tar_bytes(members: Iterable[tuple[tarfile.TarInfo, bytes]], mode: str = "w:xz") -> bytes:
    """Return a tar as Debian packages hold it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isfile() else None)
    return buffer.getvalue()


def ar_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return an ar archive."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" if len(data) % 2 else b""]
    return b"".join(parts)


def layered(
    directory: Path, *layers: Iterable[tuple[tarfile.TarInfo, bytes]] | bytes
) -> tuple[Image, Store]:
    """Return an image of hand-made layers."""
    store = Store(directory / "store")
    made = []
    for number, members in enumerate(layers):
        data = members if isinstance(members, bytes) else tar_bytes(members, "w")
        made.append(Layer(store.add_bytes(data), len(data), f"layer {number}"))
    parts = store.add_bytes(repr(made).encode()), store.add_bytes(b"manifest")
    return Image("made", *parts, tuple(made), {}), store


HELLO = (
    member("./"),
    member("./bin/"),
    member("./bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755),
    member("./usr/"),
    member("./usr/share/doc/hello/"),
    member("./usr/share/doc/hello/copyright", b"free\n"),
    member("./usr/share/doc/hello/README", b"long\n"),
    member("./usr/share/man/man1/hello.1", b"manual\n"),
    member("./usr/lib/hello/data.txt", b"x" * 3000),
    member("./usr/lib/hello/link", b"", type=tarfile.SYMTYPE, linkname="data.txt"),
    member("./usr/lib/hello/hard", b"", type=tarfile.LNKTYPE, linkname="./usr/lib/hello/data.txt"),
    member("./usr/lib/hello/.hidden", b"dot\n"),
)


def deb_bytes(
    members: Iterable[tuple[tarfile.TarInfo, bytes]] = HELLO,
    *,
    name: str = "hello",
    version: str = "1.0-1",
    extra: str = "",
    data_name: str = "data.tar.xz",
) -> bytes:
    """Return a Debian package."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n{extra}Description: tiny\n"
    )
    return ar_bytes(
        {
            "debian-binary": b"2.0\n",
            "control.tar.xz": tar_bytes([member("./control", control.encode())]),
            data_name: tar_bytes(members, "w:xz" if data_name.endswith("xz") else "w"),
        }
    )


GREET: Mapping[str, bytes] = {
    "greet/__init__.py": b"def main():\n    print('greetings')\n",
    "greet/module.pyc": b"byte code",
    "greet-2.0.data/scripts/tool": b"#!python\nprint('tool')\n",
    "greet-2.0.data/data/share/greet/table": b"1 2 3\n",
    "greet-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: Greet\nVersion: 2.0\n\ntext\n",
    "greet-2.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
    "greet-2.0.dist-info/entry_points.txt": b"[console_scripts]\ngreet = greet:main\n",
}


def record_row(name: str, data: bytes) -> str:
    """Return a row of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def wheel_bytes(files: Mapping[str, bytes] = GREET, *, record: str | None = None) -> bytes:
    """Return a wheel; `record` replaces the RECORD that fits."""
    info = next(name.split("/")[0] for name in files if ".dist-info/" in name)
    if record is None:
        record = "".join(record_row(*item) for item in files.items()) + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


@dataclass
class Kitchen:
    """A catalogue with one image under construction, and a store with its inputs."""

    directory: Path
    store: Store
    name: str = "tiny"
    debs: list[DebEntry] = field(default_factory=list)
    wheels: list[WheelEntry] = field(default_factory=list)

    def deb(self, data: bytes, name: str = "hello", version: str = "1.0-1") -> DebEntry:
        """Put a package into the store and the lock."""
        digest = self.store.add_bytes(data).removeprefix("sha256:")
        path = f"pool/main/h/{name}/{name}_{version}_amd64.deb"
        entry = DebEntry(name, version, "amd64", len(data), digest, path)
        self.debs.append(entry)
        return entry

    def wheel(self, data: bytes, name: str = "greet", version: str = "2.0") -> WheelEntry:
        """Put a wheel into the store and the lock."""
        entry = wheel_entry(self.store, data, name, version)
        self.wheels.append(entry)
        return entry

    def catalogue(self) -> Catalogue:
        """Write the catalogue."""
        home = self.directory / self.name
        home.mkdir(parents=True, exist_ok=True)
        (home / "image.toml").write_text(IMAGE_TOML.format(name=self.name))
        (home / "debs.lock").write_text(debs_text(self.debs))
        (home / "wheels.lock").write_text(wheels_text(self.wheels))
        return Catalogue(self.directory)

    def catalogue_as_it_is(self) -> Catalogue:
        """Return the catalogue as it lies on disk."""
        return Catalogue(self.directory)

    def definition(self) -> Definition:
        """Write the catalogue; return the image's definition."""
        return self.catalogue().definition(self.name)

    def locked(self) -> Catalogue:
        """Write the catalogue with the lock of an image built now."""
        catalogue = self.catalogue()
        built = build(catalogue.definition(self.name), self.store, Silent())
        (self.directory / self.name / "image.lock").write_text(image_lock_text(built.lock))
        return catalogue


def kitchen(directory: Path) -> Kitchen:
    """Return a catalogue and a store with nothing in them."""
    return Kitchen(directory / "images", Store(directory / "store"))


def tiny(directory: Path) -> Kitchen:
    """Return a catalogue and a store with one package and one wheel."""
    made = kitchen(directory)
    made.deb(deb_bytes())
    made.wheel(wheel_bytes())
    return made


MORE: Mapping[str, bytes] = {
    "more/__init__.py": b"answer = 42\n",
    "more-1.5.dist-info/METADATA": b"Metadata-Version: 2.1\nName: more\nVersion: 1.5\n\ntext\n",
    "more-1.5.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
}


def wheel_entry(store: Store, data: bytes, name: str, version: str) -> WheelEntry:
    """Put a wheel into a store; return its entry in a lock."""
    digest = store.add_bytes(data).removeprefix("sha256:")
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return WheelEntry(name, version, filename, digest, len(data))


def external_toml(name: str, repository: str, tag: str = "v1") -> str:
    """Return the image.toml of an image that is published elsewhere."""
    return (
        f'name = "{name}"\ntitle = "Made elsewhere"\n\n[external]\n'
        f'repository = "{repository}"\ntag = "{tag}"\nreason = "others build it"\n'
    )


def mirror(made: Kitchen, directory: Path) -> Path:
    """Lay out the inputs as an archive does: packages by pool path, wheels by name."""
    for deb in made.debs:
        target = directory / deb.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made.store.blob_path(deb.digest), target)
    for wheel in made.wheels:
        directory.mkdir(exist_ok=True)
        shutil.copy(made.store.blob_path(wheel.digest), directory / wheel.filename)
    return directory


def with_foreign(directory: Path) -> Kitchen:
    """Return a catalogue of a locked image, and an external one that nobody has pinned."""
    kitchen = tiny(directory)
    kitchen.locked()
    home = kitchen.directory / "foreign"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("foreign", "docker.io/some/thing"))
    return kitchen


def stored_image(directory: Path, name: str, below: Image, layer: bytes, store: Store) -> Image:
    """Put an image into a store that is another one with a layer on it; define it in a directory.

    It is one that is published elsewhere, as far as its definition goes.
    """
    config = json.loads(store.verified(below.image_id).read_bytes())
    layers = (*below.layers, Layer(store.add_bytes(layer), len(layer), "one more"))
    config["rootfs"]["diff_ids"] = [each.digest for each in layers]
    data = canonical_json(config)
    manifest = store.add_bytes(manifest_of(data, layers))
    made = Image(name, store.add_bytes(data), manifest, layers, below.environment)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "image.toml").write_text(external_toml(name, "registry.example/x"))
    place = External(directory, name, "", Published(repository="x", tag="x", reason="x"), Needs())
    lock = ExternalLock(made.image_id, None, manifest, layers, made.environment)
    write_external_lock(place, lock)
    return made

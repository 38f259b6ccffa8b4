"""Images of the catalogue that others publish: nothing here can rebuild them.

`image.toml` says where one comes from and what it needs of a host; `external.lock` says which
one it is, by digest. Until there is such a lock the image is refused: a tag may point
elsewhere tomorrow, so a tag is looked at once, by `reprun images pin`, and never run.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun.errors import ImageNotHereError, SpecificationError
from reprun.images.catalogue.definition import TomlReader
from reprun.images.catalogue.lockfiles import checked_digest, layer_lines, read_layers, write_lock
from reprun.images.model import Image, Layer

FIELDS: Mapping[str, tuple[str, ...]] = {
    "": ("name", "title", "external", "needs"),
    "external": ("repository", "tag", "reason", "entry_point", "user", "conditions"),
    "needs": ("architecture", "vsyscall", "memory_mb", "disk_mb", "old_manifest"),
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What an image needs of the host that runs it."""

    architecture: str = "amd64"
    vsyscall: bool = False
    """Whether its C library is so old that it calls through the vsyscall page."""
    memory_mb: int = 0
    disk_mb: int = 0
    old_manifest: bool = False
    """Whether its registry may still have it as manifest schema 1, which tools refuse."""


@dataclass(frozen=True, slots=True)
class External:
    """What `image.toml` says of an image that is published elsewhere."""

    directory: Path
    name: str
    title: str
    repository: str
    tag: str
    """Where `pin` looks for the digest; nothing else uses it."""
    reason: str
    entry_point: str
    user: str
    conditions: tuple[str, ...]
    """Where the image's configurations expect snapshots of calibrations."""
    needs: Needs

    @property
    def place(self) -> Path:
        """The image.toml itself."""
        return self.directory / "image.toml"

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


def is_external(place: Path) -> bool:
    """Tell whether an image.toml describes an image that is published elsewhere."""
    try:
        return "external" in tomllib.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def read_external(place: Path) -> External:
    """Read an image.toml; raise SpecificationError naming the field that is wrong."""
    reader = TomlReader(place, FIELDS)
    return External(
        directory=place.parent,
        name=reader.name(),
        title=reader.text("", "title"),
        repository=reader.text("external", "repository"),
        tag=reader.text("external", "tag"),
        reason=reader.text("external", "reason"),
        entry_point=reader.text_or("external", "entry_point", ""),
        user=reader.text_or("external", "user", ""),
        conditions=reader.texts("external", "conditions", default=()),
        needs=Needs(
            architecture=reader.text_or("needs", "architecture", "amd64"),
            vsyscall=reader.flag("needs", "vsyscall"),
            memory_mb=reader.number("needs", "memory_mb"),
            disk_mb=reader.number("needs", "disk_mb"),
            old_manifest=reader.flag("needs", "old_manifest"),
        ),
    )


def read_external_lock(external: External) -> ExternalLock:
    """Return which image it is; raise SpecificationError, with the reason, when nobody knows."""
    place = external.lock_place
    try:
        document = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ImageNotHereError(
            f"image '{external.name}' is external and no digest is known for it yet "
            f"({external.reason}); it is never run by its tag",
            place=str(external.place),
            hint=f"reprun images pin {external.name}   # needs its registry; without one: "
            f"reprun images import {external.name} FILE",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecificationError(f"external.lock is not TOML: {error}", place=str(place)) from error
    try:
        environment = document.get("environment", {})
        return ExternalLock(
            image_id=checked_digest(document["image"]),
            source=document.get("source"),
            manifest=checked_digest(document["manifest"]) if "manifest" in document else None,
            layers=read_layers(document.get("layers", [])),
            environment={str(key): str(value) for key, value in environment.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecificationError(
            f"external.lock is malformed: {error}", place=str(place)
        ) from error


def locked_external(external: External) -> Image:
    """Return the image; raise SpecificationError when it was never pinned or never brought."""
    lock = read_external_lock(external)
    if lock.manifest is None:
        raise ImageNotHereError(
            f"image '{external.name}' is pinned, but what it is made of is not known before it "
            "has been brought here once",
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
            f"{json.dumps(key)} = {json.dumps(value)}"
            for key, value in sorted(lock.environment.items())
        ]
    lines += layer_lines(lock.layers)
    write_lock(external.lock_place, "\n".join(lines) + "\n")

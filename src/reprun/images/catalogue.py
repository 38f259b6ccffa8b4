"""The catalogue: which images there are, what is wanted in each, what each is locked to.

`images/<name>/image.toml` says what is wanted, `debs.lock` and `wheels.lock` what that came to,
and `image.lock` which image a build of them gives. A locked image is returned only when the
four agree: its config and its last layer are recomputed here, without building anything, so a
lock or a definition that was edited afterwards is noticed at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reprun.digests import PREFIX, short
from reprun.errors import IntegrityError, SpecificationError, did_you_mean
from reprun.images import layout
from reprun.images.lockfiles import (
    DebEntry,
    ImageLock,
    WheelEntry,
    read_debs,
    read_image_lock,
    read_wheels,
)
from reprun.images.model import Image
from reprun.images.wheels import PythonTarget

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "": ("name", "title", "debian", "python", "environment"),
    "debian": ("suite", "architecture", "base", "packages"),
    "python": ("version", "executable", "site", "prefix", "platforms", "requirements"),
}


@dataclass(frozen=True)
class Definition:
    """What `image.toml` asks for."""

    directory: Path
    name: str
    title: str
    suite: str
    architecture: str
    base: tuple[str, ...]
    """Debian packages of the lowest layer; images with the same ones share it."""
    packages: tuple[str, ...]
    """Further Debian packages; the dependencies of all come with them."""
    python: PythonTarget
    platforms: tuple[str, ...]
    """Wheel platform tags that run in the image, best first."""
    requirements: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def place(self) -> Path:
        """The image.toml itself."""
        return self.directory / "image.toml"

    @property
    def debs_lock(self) -> Path:
        """Where the packages are locked."""
        return self.directory / "debs.lock"

    @property
    def wheels_lock(self) -> Path:
        """Where the wheels are locked."""
        return self.directory / "wheels.lock"

    @property
    def image_lock(self) -> Path:
        """Where the image is locked."""
        return self.directory / "image.lock"

    @cached_property
    def debs(self) -> tuple[DebEntry, ...]:
        """The locked packages."""
        return read_debs(self.debs_lock)

    @cached_property
    def wheels(self) -> tuple[WheelEntry, ...]:
        """The locked wheels."""
        return read_wheels(self.wheels_lock)

    def documents(self) -> dict[str, bytes]:
        """Return the files that travel inside the image, by name."""
        paths = (self.place, self.debs_lock, self.wheels_lock)
        return {path.name: path.read_bytes() for path in paths}


class Catalogue:
    """The images of a project."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self) -> list[str]:
        """Return the names of all images, sorted."""
        return sorted(path.parent.name for path in self.directory.glob("*/image.toml"))

    def definition(self, name: str) -> Definition:
        """Return what is wanted in an image.

        Raises SpecificationError for an unknown name, with the nearest known one, and for an
        image.toml that is malformed.
        """
        place = self.directory / name / "image.toml"
        if not name or "/" in name or not place.is_file():
            raise SpecificationError(
                f"there is no image '{name}'." + did_you_mean(name, self.names()),
                place=str(self.directory),
                hint="reprun images list",
            )
        return read_definition(place)

    def lock(self, name: str) -> ImageLock:
        """Return what a build of an image must give."""
        return read_image_lock(self.definition(name).image_lock)

    def locked(self, name: str) -> Image:
        """Return the image a name is locked to.

        Raises SpecificationError when it is not locked, and IntegrityError when image.toml,
        debs.lock or wheels.lock changed after image.lock was written.
        """
        definition = self.definition(name)
        lock = read_image_lock(definition.image_lock)
        documents = layout.documents_layer(definition.documents())
        config = layout.config_of(definition, lock.layers)
        manifest = layout.manifest_of(config, lock.layers)
        if (
            not lock.layers
            or lock.layers[-1].digest != layout.digest(documents)
            or lock.image_id != layout.digest(config)
            or lock.manifest != layout.digest(manifest)
        ):
            raise IntegrityError(
                f"image '{name}' is not what its image.lock says: image.toml, debs.lock or "
                "wheels.lock changed after it was locked",
                place=str(definition.image_lock),
                hint=f"git diff images/{name}   # or: reprun images lock {name} --image-only",
            )
        return Image(name, lock.image_id, lock.manifest, lock.layers, definition.environment)

    def by_reference(self, reference: str) -> Image:
        """Return the image of `name` or `name@sha256:…`.

        Raises SpecificationError for an unknown name or a tag, and IntegrityError when the
        digest is not the locked one.
        """
        name, at, digest = reference.partition("@")
        if ":" in name:
            raise SpecificationError(
                f"{reference} names an image by a tag, which may move: write its digest",
                hint=f"reprun images show {name.partition(':')[0]}",
            )
        image = self.locked(name)
        if not at:
            return image
        hexadecimal = digest.removeprefix(PREFIX)
        if not digest.startswith(PREFIX) or len(hexadecimal) != 64:
            raise SpecificationError(
                f"{reference} has no digest sha256:<64 hex digits>",
                hint=f"reprun images show {name}",
            )
        if digest not in (image.image_id, image.manifest):
            raise IntegrityError(
                f"image '{name}' is asked for as {short(digest)}…, "
                f"but it is locked to {short(image.image_id)}…",
                place=str(self.directory / name / "image.lock"),
                hint=f"reprun images show {name}   # the digest of this version of the project",
            )
        return image


def read_definition(place: Path) -> Definition:
    """Read an image.toml; raise SpecificationError naming the field that is wrong."""
    reader = _Reader(place)
    name = reader.text("", "name")
    if name != place.parent.name:
        raise SpecificationError(
            f"name: this is '{name}', but the directory is called '{place.parent.name}'",
            place=str(place),
        )
    return Definition(
        directory=place.parent,
        name=name,
        title=reader.text("", "title"),
        suite=reader.text("debian", "suite"),
        architecture=reader.text("debian", "architecture"),
        base=reader.texts("debian", "base", default=()),
        packages=reader.texts("debian", "packages"),
        python=PythonTarget(
            version=reader.text("python", "version"),
            executable=reader.text("python", "executable"),
            site=reader.text("python", "site"),
            prefix=reader.text("python", "prefix"),
        ),
        platforms=reader.texts("python", "platforms"),
        requirements=reader.texts("python", "requirements"),
        environment=reader.environment(),
    )


class _Reader:
    """Fields of a TOML document, refused with their name when they are not as expected."""

    def __init__(self, place: Path) -> None:
        self._place = place
        try:
            self._document = tomllib.loads(place.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecificationError(
                f"image.toml is not TOML: {error}", place=str(place)
            ) from error
        for table, known in _FIELDS.items():
            content = self._table(table)
            for key in content:
                if key not in known:
                    raise self._fault(table, key, "is not known." + did_you_mean(key, known))

    def text(self, table: str, key: str) -> str:
        """Return a text that is not empty."""
        value = self._table(table).get(key)
        if not isinstance(value, str) or not value:
            raise self._fault(table, key, "must be a text that is not empty")
        return value

    def texts(
        self, table: str, key: str, default: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._table(table).get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._fault(table, key, "must be a list of texts")
        return tuple(value)

    def environment(self) -> dict[str, str]:
        """Return the environment, sorted by name."""
        content = self._table("environment")
        for key, value in content.items():
            if not isinstance(value, str):
                raise self._fault("environment", key, "must be a text")
        return dict(sorted(content.items()))

    def _table(self, table: str) -> dict[str, Any]:
        content = self._document.get(table, {}) if table else self._document
        if not isinstance(content, dict):
            raise self._fault("", table, "must be a table")
        return content

    def _fault(self, table: str, key: str, what: str) -> SpecificationError:
        return SpecificationError(
            f"{table}{'.' if table else ''}{key} {what}", place=str(self._place)
        )

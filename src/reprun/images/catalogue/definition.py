"""What an image.toml asks for, refused with the field's name when it is not as expected."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reprun.errors import SpecificationError, did_you_mean
from reprun.images.catalogue.lockfiles import DebEntry, WheelEntry, read_debs, read_wheels

FIELDS: Mapping[str, tuple[str, ...]] = {
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


def read_definition(place: Path) -> Definition:
    """Read an image.toml; raise SpecificationError naming the field that is wrong."""
    reader = TomlReader(place, FIELDS)
    name = reader.name()
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


class TomlReader:
    """Fields of a TOML document, refused with their name when they are not as expected."""

    def __init__(self, place: Path, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._place = place
        try:
            self._document = tomllib.loads(place.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpecificationError(
                f"image.toml is not TOML: {error}", place=str(place)
            ) from error
        for table, known in fields.items():
            content = self._table(table)
            for key in content:
                if key not in known:
                    raise self._fault(table, key, "is not known." + did_you_mean(key, known))

    def name(self) -> str:
        """Return the image's name, which is also its directory's."""
        name = self.text("", "name")
        if name != self._place.parent.name:
            raise SpecificationError(
                f"name: this is '{name}', but the directory is called '{self._place.parent.name}'",
                place=str(self._place),
            )
        return name

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

    def text_or(self, table: str, key: str, default: str) -> str:
        """Return a text that is not empty, or the default where there is none."""
        return self.text(table, key) if key in self._table(table) else default

    def flag(self, table: str, key: str) -> bool:
        """Return true or false; false where nothing is said."""
        value = self._table(table).get(key, False)
        if not isinstance(value, bool):
            raise self._fault(table, key, "must be true or false")
        return value

    def number(self, table: str, key: str) -> int:
        """Return a whole number that is not negative; 0 where nothing is said."""
        value = self._table(table).get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._fault(table, key, "must be a whole number, 0 or more")
        return value

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


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Where an image's Python has its packages; paths are relative to the root."""

    version: str
    executable: str
    """Absolute path of the interpreter, for the first line of scripts."""
    site: str
    prefix: str

    @property
    def is_legacy(self) -> bool:
        """Whether this is Python 2, whose wheels have tags of their own."""
        return self.version.startswith("2.")

    @property
    def scripts(self) -> str:
        """Directory of scripts."""
        return f"{self.prefix}/bin"

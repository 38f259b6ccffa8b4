"""What an image that is built here is to hold, whether it stands alone or extends another.

These are values: a build needs no more than they say, and nothing but the standard library.
The documents they come from are read by `image_toml` and `parent`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.images.catalogue.lockfiles import (
    DebEntry,
    WheelEntry,
    not_locked,
    read_debs,
    read_wheels,
)

IMAGE_TOML = "image.toml"
PARENT_LOCK = "parent.lock"


_CHECK = re.compile(
    rb"^\[check\]$.*?(?=^\[)|(?<=\n)\n*^\[check\]$(?:(?!^\[).)*\Z", re.MULTILINE | re.DOTALL
)
"""The table `[check]` of an image.toml; with the empty lines before it where it is the last."""


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


@dataclass(frozen=True, slots=True)
class Parent:
    """The image that a derived one extends, as it was when that was locked."""

    name: str
    image_id: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    wheel_layers: tuple[tuple[str, tuple[str, ...]], ...]
    """Names of its wheels by layer, the lowest first, and which image brought each layer."""
    document: str
    """The text of `parent.lock`, which says all of this."""


@dataclass(frozen=True)
class Definition:
    """What is asked for in an image; of a derived one, together with what its parent asks for."""

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
    links: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths of symbolic links to make, and where each points."""
    checks: tuple[str, ...] = ()
    """Command lines that have to work in the image."""
    parent: Parent | None = None
    """What it extends, if it does; its packages and requirements come first in this one's."""

    @property
    def place(self) -> Path:
        """The image.toml itself."""
        return self.directory / IMAGE_TOML

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

    @property
    def parent_lock(self) -> Path:
        """Where it is locked what the image took over from the one it extends."""
        return self.directory / PARENT_LOCK

    @cached_property
    def debs(self) -> tuple[DebEntry, ...]:
        """The locked packages."""
        return read_debs(self.debs_lock)

    @cached_property
    def wheels(self) -> tuple[WheelEntry, ...]:
        """The locked wheels."""
        return read_wheels(self.wheels_lock)

    @property
    def added_packages(self) -> tuple[str, ...]:
        """The Debian packages that the parent does not ask for; all of them without a parent."""
        return self.packages[len(self.parent.packages) if self.parent else 0 :]

    @property
    def added_requirements(self) -> tuple[str, ...]:
        """The requirements that the parent does not have; all of them without a parent."""
        return self.requirements[len(self.parent.requirements) if self.parent else 0 :]

    def wheel_layers(self) -> tuple[tuple[str, tuple[WheelEntry, ...]], ...]:
        """Return the locked wheels by layer, the lowest first, and which image brought each.

        A derived image has the layers of its parent, byte for byte, and its own wheels above.
        """
        below = self.parent.wheel_layers if self.parent else ()
        inherited = {name for _, names in below for name in names}
        own = tuple(each for each in self.wheels if each.name not in inherited)
        layers = [
            (owner, tuple(each for each in self.wheels if each.name in names))
            for owner, names in below
        ]
        return (*layers, *([(self.name, own)] if own or not layers else []))

    def documents(self) -> dict[str, bytes]:
        """Return the files that travel inside the image, by name.

        What is checked of an image is no part of it: `[check]` is left out of image.toml.

        Raises SpecificationError when one is missing.
        """
        paths = (self.place, self.debs_lock, self.wheels_lock)
        for path in paths:
            if not path.is_file():
                raise not_locked(path)
        documents = {path.name: text_of(path, limits.JSON_BYTES).encode() for path in paths}
        documents[self.place.name] = _CHECK.sub(b"", documents[self.place.name])
        if self.parent is not None:
            documents[PARENT_LOCK] = self.parent.document.encode()
        return documents

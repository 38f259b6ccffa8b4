"""The three lock files of an image: which packages, which wheels, which image comes of them.

    debs.lock    name version architecture size sha256 pool-path layer licence
    wheels.lock  name version filename sha256 size licence
    image.lock   image ID, manifest, file-tree digest, layers (TOML, written by a build)

One package or wheel a line, sorted; the licence is the rest of the line. `layer` is `base` for
what comes with the image's `debian.base`, in a layer that other images share, else `own`.

None of them names a host. A lock is refused, with its line, when it is malformed, unsorted or
holds two entries for one name: what is installed must be readable from it without guessing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from packaging.utils import InvalidWheelFilename, is_normalized_name, parse_wheel_filename
from packaging.version import Version

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.digests import PREFIX
from reprun.errors import SpecificationError
from reprun.files import write_atomically
from reprun.images.model import Layer

BUILDER_FORMAT = 2
"""Version of the rules that turn locks into bytes; other rules get another number."""

DEBS_HEADER = "# name version architecture size sha256 pool-path layer licence\n"
WHEELS_HEADER = "# name version filename sha256 size licence\n"

_HEX = re.compile(r"[0-9a-f]{64}")
_DEB_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_DEB_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+")
_POOL_PATH = re.compile(r"pool/(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9+._~/%-]+\.deb")
_WHEEL_FILE = re.compile(r"[A-Za-z0-9_.+!-]+\.whl")
_LICENCE = re.compile(r"[^\s\x00-\x1f\x7f]+(?: [^\s\x00-\x1f\x7f]+)*")

BASE = "base"
OWN = "own"
UNKNOWN_LICENCE = "see copyright"


@dataclass(frozen=True, slots=True)
class DebEntry:
    """One locked Debian package."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    path: str
    layer: str = OWN
    """`base` or `own`: which of the image's Debian layers holds it."""
    licence: str = UNKNOWN_LICENCE

    @property
    def digest(self) -> str:
        """Digest of the package file, as the store names it."""
        return PREFIX + self.sha256

    @property
    def filename(self) -> str:
        """Name of the package file."""
        return self.path.rpartition("/")[2]

    def line(self) -> str:
        """Return the entry as `debs.lock` writes it."""
        return (
            f"{self.name} {self.version} {self.architecture} {self.size} {self.sha256} "
            f"{self.path} {self.layer} {self.licence}"
        )


@dataclass(frozen=True, slots=True)
class WheelEntry:
    """One locked Python wheel: the one file that is used, not every platform's."""

    name: str
    version: str
    filename: str
    sha256: str
    size: int
    licence: str = UNKNOWN_LICENCE

    @property
    def digest(self) -> str:
        """Digest of the wheel file, as the store names it."""
        return PREFIX + self.sha256

    def line(self) -> str:
        """Return the entry as `wheels.lock` writes it."""
        return (
            f"{self.name} {self.version} {self.filename} {self.sha256} {self.size} {self.licence}"
        )


@dataclass(frozen=True, slots=True)
class ImageLock:
    """What a build of an image must give, on every machine."""

    builder: int
    image_id: str
    manifest: str
    tree: str
    """Digest of the file tree: equal for the same files whatever built the image."""
    layers: tuple[Layer, ...]
    published: str = field(default="", compare=False)
    """`registry/name@sha256:…` where it can be pulled instead of built; else empty."""


class _Entry(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def filename(self) -> str: ...
    def line(self) -> str: ...


_E = TypeVar("_E", bound=_Entry)


def read_debs(path: Path) -> tuple[DebEntry, ...]:
    """Read `debs.lock`; raise SpecificationError with file and line on the first fault."""
    return _read(path, _deb)


def read_wheels(path: Path) -> tuple[WheelEntry, ...]:
    """Read `wheels.lock`; raise SpecificationError with file and line on the first fault."""
    return _read(path, _wheel)


def debs_text(entries: Iterable[DebEntry]) -> str:
    """Return the text of a `debs.lock`."""
    return DEBS_HEADER + "".join(f"{entry.line()}\n" for entry in sorted(entries, key=_by_name))


def wheels_text(entries: Iterable[WheelEntry]) -> str:
    """Return the text of a `wheels.lock`."""
    return WHEELS_HEADER + "".join(f"{entry.line()}\n" for entry in sorted(entries, key=_by_name))


def image_lock_text(lock: ImageLock) -> str:
    """Return the text of an `image.lock`."""
    lines = [
        "# Written by a build; compared with every later one.",
        f"builder = {lock.builder}",
        f'image = "{lock.image_id}"',
        f'manifest = "{lock.manifest}"',
        f'tree = "{lock.tree}"',
    ]
    if lock.published:
        lines.append(f'published = "{lock.published}"')
    return "\n".join([*lines, *layer_lines(lock.layers)]) + "\n"


def layer_lines(layers: Iterable[Layer]) -> list[str]:
    """Return the lines in which a lock lists layers."""
    lines = []
    for layer in layers:
        lines += [
            "",
            "[[layers]]",
            f'digest = "{layer.digest}"',
            f"size = {layer.size}",
            f'comment = "{layer.comment}"',
        ]
    return lines


def write_lock(path: Path, text: str) -> None:
    """Write a lock so that a reader sees the old one or the new one."""
    write_atomically(path, text.encode())


def not_locked(path: Path) -> SpecificationError:
    """Return the error about a lock that is not there."""
    return SpecificationError(
        f"image '{path.parent.name}' is not locked: it has no {path.name}",
        place=str(path),
        hint=lock_command(path),
    )


def _by_name(entry: _Entry) -> str:
    return entry.name


def _read(path: Path, parse: Callable[[str], _E]) -> tuple[_E, ...]:
    if not os.path.lexists(path):
        raise not_locked(path)
    text = text_of(path, limits.JSON_BYTES)
    entries: list[_E] = []
    lines_by_name: dict[str, int] = {}
    lines_by_file: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        place = f"{path}:{number}"
        try:
            entry = parse(line)
        except ValueError as error:
            raise SpecificationError(str(error), place=place, hint=lock_command(path)) from error
        if (earlier := lines_by_name.get(entry.name)) is not None:
            same = entry.line() == entries[-1].line()
            raise SpecificationError(
                f"{entry.name} is duplicated{'' if same else ' with different contents'}: "
                f"on lines {earlier} and {number}",
                place=place,
                hint=lock_command(path),
            )
        if (earlier := lines_by_file.get(entry.filename)) is not None:
            raise SpecificationError(
                f"{entry.filename} is locked under two names, on lines {earlier} and {number}",
                place=place,
                hint=lock_command(path),
            )
        if entries and entry.name < entries[-1].name:
            raise SpecificationError(
                f"{entry.name} comes after {entries[-1].name}: a lock is sorted by name",
                place=place,
                hint=lock_command(path),
            )
        lines_by_name[entry.name] = lines_by_file[entry.filename] = number
        entries.append(entry)
    return tuple(entries)


def lock_command(path: Path) -> str:
    """Return the command that writes a lock again."""
    return f"reprun images lock {path.parent.name}"


def _deb(line: str) -> DebEntry:
    name, version, architecture, size, sha256, path, layer, licence = _fields(line, 8)
    _match(_DEB_NAME, name, "a Debian package name")
    _match(_DEB_VERSION, version, "a Debian version")
    _match(_DEB_NAME, architecture, "a Debian architecture")
    _match(_HEX, sha256, "a sha256 in lower-case hex")
    _match(_POOL_PATH, path, "a path pool/….deb of the Debian archive")
    _match(_LICENCE, licence, "a licence on one line")
    if layer not in (BASE, OWN):
        raise ValueError(f"'{layer}' is not a layer: it is {BASE} or {OWN}")
    return DebEntry(name, version, architecture, _size(size), sha256, path, layer, licence)


def _wheel(line: str) -> WheelEntry:
    name, version, filename, sha256, size, licence = _fields(line, 6)
    if not is_normalized_name(name):
        raise ValueError(f"'{name}' is not a normalised Python package name")
    _match(_WHEEL_FILE, filename, "the file name of a wheel")
    _match(_HEX, sha256, "a sha256 in lower-case hex")
    try:
        found, found_version, *_ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise ValueError(f"'{filename}' is not the file name of a wheel: {error}") from error
    if found != name or found_version != Version(version):
        raise ValueError(f"{filename} is not a wheel of {name} {version}")
    _match(_LICENCE, licence, "a licence on one line")
    return WheelEntry(name, version, filename, sha256, _size(size), licence)


def _fields(line: str, count: int) -> Sequence[str]:
    fields = line.split(" ", count - 1)
    if len(fields) != count:
        raise ValueError(f"expected {count} fields separated by one space, found {len(fields)}")
    return fields


def _match(pattern: re.Pattern[str], value: str, meaning: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"'{value}' is not {meaning}")


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"'{text}' is not a size in bytes")
    return int(text)

"""What differs between two images: packages, wheels, environment, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reprun.images.archives.tree import Listed
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.images.rootfs.sealed import read_listing
from reprun.images.rootfs.unpack import unpacked_root
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same in both; None where an image does not have it."""

    kind: str
    """`package`, `wheel`, `environment` or `file`."""
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Return it as a line."""
        if self.before is None:
            return f"+ {self.kind} {self.name} {self.after}"
        if self.after is None:
            return f"- {self.kind} {self.name} {self.before}"
        return f"~ {self.kind} {self.name} {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What is compared of an image."""

    packages: Mapping[str, str] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def contents(
    name: str, catalogue: Catalogue, store: Store | None = None, image: Image | None = None
) -> Contents:
    """Return an image's contents; its files too when a store is given that holds it."""
    locked = image or catalogue.locked(name)
    files: dict[str, str] = {}
    if store is not None:
        entries, _ = read_listing(unpacked_root(locked, store).parent)
        files = {path: _file(entry) for path, entry in entries.items()}
    if catalogue.is_external(name):
        return Contents(environment=locked.environment, files=files)
    definition = catalogue.definition(name)
    return Contents(
        {each.name: each.version for each in definition.debs},
        {each.name: each.version for each in definition.wheels},
        locked.environment,
        files,
    )


def changes(before: Contents, after: Contents) -> list[Change]:
    """Return what differs, packages first and files last, each sorted by name."""
    found = []
    for kind, old, new in (
        ("package", before.packages, after.packages),
        ("wheel", before.wheels, after.wheels),
        ("environment", before.environment, after.environment),
        ("file", before.files, after.files),
    ):
        found += [
            Change(kind, name, old.get(name), new.get(name))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]
    return found


def _file(entry: Listed) -> str:
    what = entry.what[:12] if len(entry.what) == 64 else entry.what
    return f"{entry.kind} {entry.mode:04o} {what}".rstrip()

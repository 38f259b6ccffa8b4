"""The packages of images, and how another version of them is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from reprun.documents.reading import Document
from reprun.errors import ReprunError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.wording import listed

SAME = "the same packages"


class Packages(Document):
    """What is installed in an image that is built from locks: versions by name."""

    wheels: Mapping[str, str] = {}
    debian: Mapping[str, str] = {}


def packages_of(images: Mapping[str, str], catalogue: Catalogue) -> dict[str, Packages]:
    """Return the packages of images, as far as they are known; `images` maps names to IDs.

    They are not of an image that is published elsewhere, or that is locked with another ID by now.
    """
    found = {}
    for name, image_id in images.items():
        try:
            if catalogue.is_external(name) or catalogue.locked(name).image_id != image_id:
                continue
            definition = catalogue.definition(name)
        except ReprunError:
            continue  # an image without its definition still has a digest, which is said
        found[name] = Packages(
            wheels={each.name: each.version for each in definition.wheels},
            debian={each.name: each.version for each in definition.debs},
        )
    return found


def changed_packages(before: Packages | None, now: Packages | None) -> str:
    """Return `: numpy 2.4.6 → 2.3.5, and 3 more` of two images; empty where either is not known."""
    if before is None or now is None:
        return ""
    return f": {listed(changes_of_packages(before, now)) or SAME}"


def changes_of_packages(before: Packages, now: Packages) -> list[str]:
    """Return `numpy 2.4.6 → 2.3.5` for every package that is not the same in two images.

    Wheels come before Debian packages, and what changed in the first number before patches.
    """
    return [*_changes(before.wheels, now.wheels), *_changes(before.debian, now.debian)]


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    changed = [name for name in before.keys() & now.keys() if before[name] != now[name]]
    for name in sorted(changed, key=lambda name: (_first_apart(before[name], now[name]), name)):
        yield f"{name} {before[name]} → {now[name]}"
    yield from (f"{name} {now[name]} is new" for name in sorted(now.keys() - before.keys()))
    yield from (f"{name} {before[name]} is gone" for name in sorted(before.keys() - now.keys()))


def _first_apart(one: str, other: str) -> int:
    """Return the place of the first part of two versions that differs."""
    parts = zip_longest(one.split("."), other.split("."))
    return next((n for n, (a, b) in enumerate(parts) if a != b), 0)

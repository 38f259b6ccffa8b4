"""Which objects of two files are compared, and under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from reprun.errors import NothingToCompareError, SpecificationError, did_you_mean
from reprun.histograms import Objects

T = TypeVar("T")


def selected(objects: Objects, globs: Sequence[str]) -> Objects:
    """Return the objects whose name matches one of the globs; all if there is no glob."""
    if not globs:
        return objects

    def kept(mapping: Mapping[str, T]) -> dict[str, T]:
        return {
            name: value
            for name, value in mapping.items()
            if any(fnmatchcase(name, glob) for glob in globs)
        }

    return Objects(kept(objects.by_name), kept(objects.unsupported), kept(objects.skipped))


def refuse_nothing(globs: Sequence[str], *sides: Objects) -> None:
    """Raise NothingToCompareError for a glob that matches no object on either side."""
    names = {name for side in sides for name in (*side.by_name, *side.unsupported)}
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise NothingToCompareError(
                f"nothing matches '{glob}'.{did_you_mean(glob, names)}".rstrip("."),
                hint="the globs are those of a shell: '*' also matches '/'",
            )


def renamed(objects: Objects, maps: Sequence[tuple[str, str]]) -> Objects:
    """Return the reference's objects under the names that the run gives them.

    Each map is (old, new); with one `*` in both, what it matches is carried over. The first
    map that fits counts. Raises SpecificationError if a map fits no object or two objects
    would have one name.
    """
    names = (*objects.by_name, *objects.unsupported, *objects.skipped)
    fitting: dict[str, str] = {}
    for old, new in maps:
        if old.count("*") != new.count("*") or old.count("*") > 1:
            raise SpecificationError(f"--map {old}={new}: write one '*' on both sides, or none")
        found = [name for name in names if _fits(name, old)]
        if not found:
            raise SpecificationError(
                f"--map {old}={new}: the reference has no '{old}'.{did_you_mean(old, names)}"
            )
        for name in found:
            fitting.setdefault(name, _carried(name, old, new))
    after = [fitting.get(name, name) for name in names]
    twice = next((name for name in after if after.count(name) > 1), None) if fitting else None
    if twice is not None:
        raise SpecificationError(f"--map: two objects of the reference would be called '{twice}'")

    def moved(mapping: Mapping[str, T]) -> dict[str, T]:
        return {fitting.get(name, name): value for name, value in mapping.items()}

    return Objects(moved(objects.by_name), moved(objects.unsupported), moved(objects.skipped))


def _fits(name: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    enough = len(name) >= len(before) + len(after)
    return enough and name.startswith(before) and name.endswith(after)


def _carried(name: str, old: str, new: str) -> str:
    before, star, after = old.partition("*")
    return new.replace("*", name[len(before) : len(name) - len(after)]) if star else new

"""Which objects of two files are compared, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from reprun.errors import NothingToCompareError, SpecificationError, did_you_mean
from reprun.histograms import Source


def selected(source: Source, globs: Sequence[str]) -> Source:
    """Return the objects whose name matches one of the globs; all if there is no glob."""
    if not globs:
        return source
    kept = [name for name in source.names if any(fnmatchcase(name, glob) for glob in globs)]
    return source.taking({name: name for name in kept})


def refuse_nothing(globs: Sequence[str], *sides: Source) -> None:
    """Raise NothingToCompareError for a glob that matches no object on either side."""
    names = {name for side in sides for name in side.names}
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise NothingToCompareError(
                f"nothing matches '{glob}'{did_you_mean(glob, names)}",
                hint="the globs are those of a shell: '*' also matches '/'",
            )


def renamed(source: Source, maps: Sequence[tuple[str, str]]) -> Source:
    """Return the reference's objects under the names that the other file gives them.

    Each map is (old, new); with one `*` in both, what it matches is carried over. The first
    map that fits counts. Raises SpecificationError if a map has other asterisks, or two objects
    would have one name.
    """
    moved = names_by_map(source.names, maps)
    return source.taking(moved) if any(new != old for new, old in moved.items()) else source


def names_by_map(names: Iterable[str], maps: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the names of a reference's objects by those that maps give them.

    Raises SpecificationError as `renamed` does.
    """
    names = list(names)
    fitting: dict[str, str] = {}
    for old, new in maps:
        if old.count("*") != new.count("*") or old.count("*") > 1:
            raise SpecificationError(f"map {old}={new}: write one '*' on both sides, or none")
        for name in (name for name in names if _fits(name, old)):
            fitting.setdefault(name, _carried(name, old, new))
    moved: dict[str, str] = {}
    for name in names:
        after = fitting.get(name, name)
        if after in moved:
            raise SpecificationError(f"map: two objects of the reference would be called '{after}'")
        moved[after] = name
    return moved


def idle_maps(source: Source, maps: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is said of each map that fits no object of the reference."""
    names = source.names
    return [
        f"map {old}={new}: the reference has no '{old}'{did_you_mean(old, names)}"
        for old, new in maps
        if not any(_fits(name, old) for name in names)
    ]


def _fits(name: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return name == pattern
    enough = len(name) >= len(before) + len(after)
    return enough and name.startswith(before) and name.endswith(after)


def _carried(name: str, old: str, new: str) -> str:
    before, star, after = old.partition("*")
    return new.replace("*", name[len(before) : len(name) - len(after)]) if star else new

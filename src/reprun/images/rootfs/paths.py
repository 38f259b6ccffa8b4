"""Values by path, in a tree: what is below a path is found without looking at all the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Paths(Generic[T]):
    """Values by path; a path is put after its parent, and forgotten with all below it."""

    def __init__(self) -> None:
        self._values: dict[str, T] = {}
        self._below: dict[str, set[str]] = {}

    def __len__(self) -> int:
        """Return how many paths there are."""
        return len(self._values)

    def __contains__(self, path: str) -> bool:
        """Tell whether a path has a value."""
        return path in self._values

    def __getitem__(self, path: str) -> T:
        """Return the value of a path."""
        return self._values[path]

    def get(self, path: str) -> T | None:
        """Return the value of a path, if it has one."""
        return self._values.get(path)

    def sorted(self) -> Iterator[tuple[str, T]]:
        """Yield paths and values, parents first."""
        return ((path, self._values[path]) for path in sorted(self._values))

    def put(self, path: str, value: T) -> None:
        """Give a path a value, its first or another."""
        self._values[path] = value
        self._below.setdefault(path.rpartition("/")[0], set()).add(path)

    def forget(self, path: str) -> None:
        """Drop a path and all below it, if it is there."""
        if self._values.pop(path, None) is not None:
            self._below[path.rpartition("/")[0]].discard(path)
            self.clear(path)

    def clear(self, path: str) -> None:
        """Drop all below a path; the root is the empty string."""
        left = [path]
        while left:
            for inner in self._below.pop(left.pop(), ()):
                self._values.pop(inner, None)
                left.append(inner)

"""Where the steps of a run work: what they are given lies read-only over what they write.

Code and data are staged beside the workspace, where no step can reach them, and every step has
each of them mounted read-only in its place. So no step can change what another one reads of
them, and no writable name of a file of the store exists anywhere.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reprun.engines.base import Mount
from reprun.errors import OutputMissingError, SpecificationError
from reprun.files import remove_tree, storage_errors
from reprun.wording import listed
from reprun.workflow.beneath import Beneath

MOST_MOUNTS = 200
"""Given files above this number are mounted by directories."""
VIEW = ".view-"
"""Begins the name of a directory that holds second names while a step runs."""

_Identity = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Given:
    """Files that a run is given: where they are staged, and their digests by path."""

    directory: Path
    digests: Mapping[str, str] = field(default_factory=dict)

    def whole_directories(self) -> tuple[str, ...]:
        """Return the directories that are mounted as one: where there are too many files."""
        if len(self.digests) <= MOST_MOUNTS:
            return ()
        counts: dict[str, int] = {}
        for path in self.digests:
            first, below, _ = path.partition("/")
            if below:
                counts[first] = counts.get(first, 0) + 1
        rest = len(self.digests)
        whole = []
        for name, count in sorted(counts.items(), key=lambda item: -item[1]):
            if rest <= MOST_MOUNTS:
                break
            whole.append(name)
            rest -= count - 1
        return tuple(whole)

    def places(self) -> Iterator[str]:
        """Yield what is mounted, each a file or a directory."""
        whole = self.whole_directories()
        yield from whole
        for path in self.digests:
            if path.split("/", 1)[0] not in whole:
                yield path

    def mounts(self, workspace: str) -> list[Mount]:
        """Return the mounts over a workspace that is seen at a path."""
        return [Mount(self.directory / path, f"{workspace}/{path}") for path in self.places()]

    def viewed(self, inputs: Sequence[str], written: Sequence[PurePosixPath]) -> Iterator[str]:
        """Yield the inputs of a step that are mounted read-only although none of these files.

        A directory that holds an output must stay writable as a whole, and what is given is
        mounted anyway.
        """
        for name in dict.fromkeys(inputs):
            path = PurePosixPath(name)
            held = any(path == out or path in out.parents for out in written)
            if not held and not self._holds(str(path)):
                yield str(path)

    def _holds(self, path: str) -> bool:
        """Tell whether a file is given, or a directory holds one that is."""
        return path in self.digests or any(name.startswith(f"{path}/") for name in self.digests)

    def refuse_output(self, path: str, rule: str) -> None:
        """Raise SpecificationError for an output where only given files lie, or in place of one."""
        if path in self.digests:
            raise SpecificationError(
                f"rule {rule} writes {path}, which is an input of the analysis and read-only; "
                "give the output another name"
            )
        first = path.split("/", 1)[0]
        if first in self.whole_directories():
            raise SpecificationError(
                f"rule {rule} writes {path}, but {first}/ holds so many input files that it is "
                "read-only as a whole; write outputs into another directory"
            )


class Workspace:
    """The directory of the steps, seen from outside, with what they are given."""

    def __init__(self, root: Path, given: Given) -> None:
        self.root = root
        self.given = given
        self._known: dict[str, tuple[_Identity, str]] = {}

    def lay_out(self) -> None:
        """Make sure that everything given has a mount point, whatever steps did to the names."""
        with Beneath(self.root) as workspace:
            whole = self.given.whole_directories()
            for path in self.given.places():
                workspace.clear_way(path)
                if path in whole:
                    workspace.make_directory(path)
                    continue
                found = workspace.status(path)
                if found is None or not stat.S_ISREG(found.st_mode):
                    workspace.remove(path)
                    workspace.write(path, b"", 0o444)

    @contextmanager
    def copies(self) -> Iterator[None]:
        """Let a copy of everything given lie in its place, for who sees no mounts.

        What steps do to the copies matters to nobody: they have the files themselves mounted.
        """
        with storage_errors(self.root), Beneath(self.root) as workspace:
            for path in self.given.digests:
                workspace.clear_way(path)
                workspace.remove(path)
                workspace.put(path, self.given.directory / path, 0o444)
        try:
            yield
        finally:
            with Beneath(self.root) as workspace:
                for path in self.given.places():
                    workspace.clear_way(path)
                    workspace.remove(path)
            self.lay_out()

    def digest(self, path: str) -> str | None:
        """Return the digest of a file; None for a directory or where nothing lies.

        A file that a step made is hashed again where it may have changed: its change time is
        the kernel's, which no step can set. Raises OutputMissingError for a link or a device.
        """
        if path in self.given.digests:
            return self.given.digests[path]
        with Beneath(self.root) as workspace:
            found = workspace.status(path)
            if found is None or stat.S_ISDIR(found.st_mode):
                return None
            identity = (
                found.st_dev,
                found.st_ino,
                found.st_size,
                found.st_mtime_ns,
                found.st_ctime_ns,
            )
            known = self._known.get(path)
            if known is not None and known[0] == identity:
                return known[1]
            digest = workspace.digest(path)
        self._known[path] = (identity, digest)
        return digest

    def require(self, paths: Sequence[str], directories: Collection[str] = ()) -> None:
        """Raise OutputMissingError for what is not there, or is not a file.

        What is named in `directories` must be one instead.
        """
        gone = []
        with Beneath(self.root) as workspace:
            for path in paths:
                found = workspace.status(path)
                if found is None:
                    gone.append(path)
                elif path not in directories:
                    with workspace.open(path):
                        pass
                elif not stat.S_ISDIR(found.st_mode):
                    raise OutputMissingError(f"{path} is {workspace.kind(path)}, not a directory")
        if gone:
            raise OutputMissingError(f"it left no {listed(gone)}")

    def remove(self, paths: Sequence[str]) -> None:
        """Remove what a step that was stopped may have left half-written."""
        with Beneath(self.root) as workspace:
            for path in paths:
                if path not in self.given.digests:
                    workspace.remove(path)

    @contextmanager
    def views(
        self, inputs: Sequence[str], written: Sequence[PurePosixPath], home: Path
    ) -> Iterator[list[tuple[Path, str]]]:
        """Yield (place, path) of each input that an earlier step made, to be mounted read-only.

        Each has a second name below `home`, which no step can put anything in the place of.
        """
        found: list[tuple[Path, str]] = []
        try:
            with Beneath(self.root) as workspace:
                for number, path in enumerate(self.given.viewed(inputs, written)):
                    if not workspace.present(path):
                        continue
                    with storage_errors(home):
                        home.mkdir(parents=True, exist_ok=True)
                        workspace.mirror(path, home / str(number))
                    found.append((home / str(number), path))
            yield found
        finally:
            if home.exists():
                remove_tree(home)

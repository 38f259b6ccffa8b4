"""Where the bytes are that a run was made from: here, in the store, the history or Git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprun.blame.repository import Repository
from reprun.digests import sha256_bytes, sha256_file
from reprun.documents.selection import Selection
from reprun.errors import ToolError
from reprun.history import rows
from reprun.history.database import Database
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """Bytes with the digest that was asked for."""

    place: Path | None = None
    """The file that has them; None where they are at hand."""
    data: bytes = b""
    stored: bool = False
    """Whether that file is the blob of the store."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data) if self.place is None else self.place.stat().st_size


class Sources:
    """What can be asked for the bytes of a digest; each answer is remembered."""

    def __init__(
        self,
        selection: Selection,
        database: Database,
        store: Store,
        repository: Repository | None,
    ) -> None:
        self.selection = selection
        self.database = database
        self.store = store
        self.repository = repository
        self._known: dict[str, Found | None] = {}

    def named(self) -> str:
        """Say where bytes were looked for."""
        git = ", nor in Git" if self.repository else ""
        return f"neither in the project, the store nor the history{git}"

    def find(self, digest: str, path: Path) -> Found | None:
        """Return the bytes of a digest, of a file that has or had this path; None if nobody has."""
        if digest not in self._known:
            self._known[digest] = next(self._every(digest, path), None)
        return self._known[digest]

    def _every(self, digest: str, path: Path) -> Iterator[Found]:
        if self.store.has(digest):
            yield Found(self.store.verified(digest), stored=True)
        if path.is_file() and sha256_file(path) == digest:
            yield Found(path)
        text = rows.text(self.database, digest)
        if text is not None:
            yield Found(data=text)
        for _, data in self.versions(path):
            if sha256_bytes(data) == digest:
                yield Found(data=data)

    def versions(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the versions of a file in Git, the latest first; none where there is no Git."""
        if self.repository is not None:
            yield from self.repository.versions(path.parent.resolve() / path.name)

    def trees(self, directory: Path) -> Iterator[Path]:
        """Yield a directory as each commit that changed it has it, the latest first.

        Each is there only until the next one is asked for.
        """
        repository = self.repository
        if repository is None:
            return
        resolved = directory.resolve()
        for commit in repository.commits_of(resolved):
            try:
                there = repository.check_out_below(commit, resolved)
            except ToolError:
                continue  # removed in this commit, or not whole in this clone
            if there.is_dir() and there.resolve().is_relative_to(repository.tree.resolve()):
                yield there

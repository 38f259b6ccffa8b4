"""Which containers a daemon runs for this store, so that any later run can end what a kill left.

The Docker SDK takes a quarter of a second to import, and the next run may use another engine: so
each container has a note in the store while it lives, named by the mark of its process. The note
holds the address of the daemon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprun.files import leftovers, storage_errors, temporary_file
from reprun.store.store import Store

NOTES = "docker/containers"
SOCKET = "unix://"


@contextmanager
def noted(store: Store, address: str) -> Iterator[None]:
    """Keep a note of a container, from before it is made until it is gone."""
    directory = store.directory(NOTES)
    with storage_errors(directory):
        stream, note = temporary_file(directory)
        with stream:
            stream.write(address.encode())
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def left(store: Store) -> dict[str, list[Path]]:
    """Return the notes of processes that are gone, by the address of a daemon that may be there."""
    found: dict[str, list[Path]] = {}
    for note in leftovers(store.root / NOTES):
        address = note.read_text()
        if not address.startswith(SOCKET) or Path(address.removeprefix(SOCKET)).exists():
            found.setdefault(address, []).append(note)
    return found

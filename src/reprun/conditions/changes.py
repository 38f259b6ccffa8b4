"""Which rows of a locked table changed: what a digest does not show, read from the old bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reprun.conditions.snapshot import DOCUMENT, Snapshot
from reprun.conditions.tables import changed_cells, read_table
from reprun.digests import digest_change
from reprun.errors import ReprunError
from reprun.files import is_in_git
from reprun.store.store import Store
from reprun.wording import lines_of, quoted

SHOWN = 5


def keep_tables(snapshot: Snapshot, files: Mapping[str, Path], store: Store) -> None:
    """Keep the bytes of a table in the store, so that a later change can be reported row by row."""
    if snapshot.kind == "table":
        for file in snapshot.files:
            if not store.has(file.digest):
                store.add_file(files[file.path], expected=file.digest)
                store.note_origin(file.digest, files[file.path].resolve().as_uri())


def changed_rows_text(
    snapshot: Snapshot, directory: Path, path: str, before: str, store: Store
) -> str:
    """Return what changed in a table since it had the digest `before`, in words."""
    file = next((each for each in snapshot.files if each.path == path), None)
    if path == DOCUMENT or file is None:
        return ""
    local = directory / path
    now = local if local.is_file() else store.blob_path(file.digest)
    if not store.has(before):
        seen = f", see: git log -p -- {quoted(directory)}" if is_in_git(directory) else ""
        return f"; the locked rows are not available{seen}"
    if not now.is_file():
        return f"; for its rows: reprun conditions verify {snapshot.name}, then the same command"
    try:
        key = snapshot.key or ""
        cells = changed_cells(read_table(store.verified(before), key), read_table(now, key))
    except ReprunError as error:
        return f"; its rows cannot be compared: {error.message}"
    return f":{lines_of(cells, SHOWN, margin='      ')}" if cells else "; no row differs"


def changes(
    before: Mapping[str, Mapping[str, str]],
    now: Mapping[str, Mapping[str, str]],
    snapshots: Mapping[Path, Snapshot],
    store: Store,
) -> list[str]:
    """Return what differs between the snapshots of two runs, one sentence each.

    A table scales simulated samples: what changes in it is metadata, no calibration.
    """
    known = {snapshot.name: (directory, snapshot) for directory, snapshot in snapshots.items()}
    found = []
    for name in sorted(before.keys() | now.keys()):
        directory, snapshot = known.get(name, (Path(), None))
        table = snapshot is not None and snapshot.kind == "table"
        part = f"{'metadata' if table else 'conditions'} {name}"
        old, new = before.get(name, {}), now.get(name, {})
        for path in sorted(old.keys() | new.keys()):
            was, is_now = old.get(path), new.get(path)
            if was == is_now:
                continue
            rows = ""
            if table and snapshot and was is not None and is_now is not None:
                rows = changed_rows_text(snapshot, directory, path, was, store)
            found.append(f"{part}: {path} {digest_change(was, is_now)}{rows}")
    return found

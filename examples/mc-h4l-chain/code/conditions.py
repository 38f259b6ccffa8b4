"""Conditions by run: what the detector was like, read from the mounted database.

The database has the schema of CMS's later conditions files: a global tag names a tag for each
record, a tag has intervals of validity, each from a run on until the next begins, and an
interval a payload. A payload's name is the SHA-1 of its type and its bytes, and is checked.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from chain import Integers


@dataclass(frozen=True)
class Interval:
    """A payload and the runs, both included, in which it is in force."""

    first: int
    last: int
    payload: dict[str, Any]


class Conditions:
    """A global tag of a database file."""

    def __init__(self, path: Path, global_tag: str) -> None:
        # Immutable: the file lies on a read-only mount, where SQLite could make no lock.
        self._uri = f"{path.resolve().as_uri()}?immutable=1"
        self._global_tag = global_tag

    def intervals(self, record: str) -> list[Interval]:
        """Return the intervals of a record, in order."""
        tags = self._rows(
            "SELECT t.NAME, t.END_OF_VALIDITY, t.TIME_TYPE FROM GLOBAL_TAG_MAP AS m"
            " JOIN TAG AS t ON t.NAME = m.TAG_NAME"
            " WHERE m.GLOBAL_TAG_NAME = ? AND m.RECORD = ?",
            (self._global_tag, record),
        )
        if len(tags) != 1:
            raise LookupError(f"{self._global_tag} has {len(tags)} tags for {record}, not 1")
        tag, end, time_type = tags[0]
        if time_type != "Run":
            raise LookupError(f"{tag} goes by {time_type}, not by run")
        rows = self._rows(
            "SELECT i.SINCE, p.HASH, p.OBJECT_TYPE, p.DATA FROM IOV AS i"
            " JOIN PAYLOAD AS p ON p.HASH = i.PAYLOAD_HASH WHERE i.TAG_NAME = ? ORDER BY i.SINCE",
            (tag,),
        )
        lasts = [*(since - 1 for since, *_ in rows[1:]), end]
        return [
            Interval(since, last, _payload(tag, *payload))
            for (since, *payload), last in zip(rows, lasts, strict=True)
        ]

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._uri, uri=True)) as database:
            return database.execute(query, values).fetchall()

    def by_run(self, record: str, runs: Integers) -> tuple[list[Interval], Integers]:
        """Return a record's intervals, and for each of the runs which of them is in force."""
        intervals = self.intervals(record)
        index = np.searchsorted([one.first for one in intervals], runs, side="right") - 1
        outside = (index < 0) | (runs > intervals[-1].last)
        if outside.any():
            raise LookupError(f"no interval of {record} covers run {runs[outside][0]}")
        return intervals, index


def payload_name(object_type: str, data: bytes) -> str:
    """Return how a payload is called: the SHA-1 of its type and its bytes."""
    return hashlib.sha1(object_type.encode() + data).hexdigest()  # noqa: S324 - a name


def _payload(tag: str, name: str, object_type: str, data: bytes) -> dict[str, Any]:
    if payload_name(object_type, data) != name:
        raise ValueError(f"a payload of {tag} is not what its name {name} says")
    found = json.loads(data)
    assert isinstance(found, dict)
    return found

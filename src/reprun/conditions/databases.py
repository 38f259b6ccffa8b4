"""CMS conditions databases in SQLite: global tag, record, tag, interval of validity, payload.

Two schemas are read. The index files of Run 1 (CORAL) hold `TAGINVENTORY_TABLE` and a tree
`TAGTREE_TABLE_<GLOBAL TAG>`, whose leaves give for each record a tag, the file of its payloads
and the range of runs the global tag takes it for. Later files (conddb) hold `GLOBAL_TAG`,
`GLOBAL_TAG_MAP`, `TAG`, `IOV` and `PAYLOAD`; an interval lasts until the next one begins.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprun.errors import IntegrityError, SpecificationError, did_you_mean

FOREVER = (1 << 63) - 1
TIME_TYPES = ("Run", "Time", "Lumi", "Hash", "User")
NO_TYPE = "Run"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a global tag takes for one record and label."""

    record: str
    label: str
    tag: str
    object_type: str
    since: int = 0
    until: int = FOREVER
    file: str | None = None
    """Of the old schema: the file of the payloads."""

    @property
    def key(self) -> tuple[str, str]:
        """What names it in a global tag."""
        return (self.record, self.label)


@dataclass(frozen=True, slots=True)
class Interval:
    """Payload of a tag from `since` to `until`, both included."""

    since: int
    until: int
    payload: str


@dataclass(frozen=True, slots=True)
class Found:
    """The payload in force for one record at one time."""

    entry: Entry
    interval: Interval


class ConditionsIndex:
    """One index database, opened read-only."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {str(name).upper() for (name,) in rows}
        if not self._tables & {"TAGINVENTORY_TABLE", "TAG"}:
            raise SpecificationError(
                f"{path.name} is not a conditions database: it has neither "
                "TAGINVENTORY_TABLE nor TAG",
                place=str(path),
            )

    @property
    def is_old(self) -> bool:
        """Whether it is of the old schema."""
        return "TAGINVENTORY_TABLE" in self._tables

    def global_tags(self) -> list[str]:
        """Return the global tags it holds."""
        if self.is_old:
            prefix = "TAGTREE_TABLE_"
            return sorted(t.removeprefix(prefix) for t in self._tables if t.startswith(prefix))
        if "GLOBAL_TAG" not in self._tables:
            return []
        rows = self._connection.execute("SELECT NAME FROM GLOBAL_TAG ORDER BY NAME")
        return [str(name) for (name,) in rows]

    def entries(self, global_tag: str) -> list[Entry]:
        """Return every record of a global tag, sorted."""
        name, _, node = global_tag.partition("::")
        known = self.global_tags()
        named = name.upper() if self.is_old else name
        if named not in known:
            raise SpecificationError(
                f"{self._path.name} has no global tag '{name}'{did_you_mean(named, known)}",
                place=str(self._path),
            )
        found = self._old_entries(named, node) if self.is_old else self._new_entries(named)
        return sorted(found, key=lambda entry: entry.key)

    def _old_entries(self, name: str, node: str) -> list[Entry]:
        table = f'"TAGTREE_TABLE_{name}"'  # one of the tables that were listed
        rows = self._connection.execute(
            "SELECT i.RECORDNAME, i.LABELNAME, i.TAGNAME, i.OBJECTNAME, t.GLOBALSINCE,"  # noqa: S608
            f" t.GLOBALTILL, i.PFN FROM {table} AS t JOIN TAGINVENTORY_TABLE AS i"
            f" ON i.TAGID = t.TAGID JOIN {table} AS top ON top.NODELABEL = ?"
            " WHERE t.RGT = t.LFT + 1 AND t.LFT >= top.LFT AND t.RGT <= top.RGT",
            (node or "All",),
        )
        return [
            Entry(record, label or "", tag, kind or "", _whole(since), _end(until), file)
            for record, label, tag, kind, since, until, file in rows
        ]

    def _new_entries(self, name: str) -> list[Entry]:
        rows = self._connection.execute(
            "SELECT m.RECORD, m.LABEL, m.TAG_NAME, t.OBJECT_TYPE, t.END_OF_VALIDITY"
            " FROM GLOBAL_TAG_MAP AS m JOIN TAG AS t ON t.NAME = m.TAG_NAME"
            " WHERE m.GLOBAL_TAG_NAME = ?",
            (name,),
        )
        return [
            # The portal's own files write "no label" as a dash.
            Entry(record, "" if label in (None, "-") else label, tag, kind or "", 0, _end(end))
            for record, label, tag, kind, end in rows
        ]

    def time_type(self, entry: Entry) -> str:
        """Return what the intervals of an entry count: runs, luminosity blocks, time."""
        if "TAG" not in self._tables:
            return NO_TYPE
        row = self._connection.execute(
            "SELECT TIME_TYPE FROM TAG WHERE NAME = ?", (entry.tag,)
        ).fetchone()
        if row is None:
            return NO_TYPE
        kind = TIME_TYPES[row[0]] if row[0] in range(len(TIME_TYPES)) else str(row[0])
        if kind not in TIME_TYPES:
            raise _NoValueError(
                f"the tag {entry.tag} is indexed by '{kind}', not by run, lumi or time"
            )
        return kind

    def intervals(self, entry: Entry) -> list[Interval]:
        """Return the intervals of an entry, in order.

        An index of the old schema has one: the payload's own intervals lie in its file.
        """
        if self.is_old:
            return [Interval(entry.since, entry.until, entry.file or "")]
        rows = self._connection.execute(
            "SELECT SINCE, PAYLOAD_HASH FROM IOV WHERE TAG_NAME = ? ORDER BY SINCE, INSERTION_TIME",
            (entry.tag,),
        )
        # Of two that begin at the same time the one inserted last counts.
        begins = {_whole(since): str(payload) for since, payload in rows}
        ends = [*list(begins)[1:], entry.until + 1]
        return [
            Interval(since, end - 1, payload)
            for (since, payload), end in zip(begins.items(), ends, strict=False)
        ]

    def look_up(self, entry: Entry, run: int, lumi: int = 0) -> Found:
        """Return what is in force for a run and luminosity block.

        Raises IntegrityError, naming run and tag, where no interval covers it.
        """
        kind = self.time_type(entry)
        if kind not in ("Run", "Lumi"):
            raise SpecificationError(
                f"the tag {entry.tag} ({entry.record}) is indexed by {kind.lower()}, not by run",
                place=str(self._path),
            )
        when = (run << 32) | lumi if kind == "Lumi" else run
        for interval in self.intervals(entry):
            if interval.since <= when <= interval.until:
                return Found(entry, interval)
        block = f", luminosity block {lumi}" if kind == "Lumi" else ""
        raise IntegrityError(
            f"no interval of validity of the tag {entry.tag} ({entry.record}) covers "
            f"run {run}{block}",
            place=str(self._path),
        )


class _NoValueError(Exception):
    """A database holds something that no conditions database holds there."""


def _whole(value: object) -> int:
    """Return a number of a run, a block or a time."""
    try:
        return int(str(value))
    except ValueError as error:
        raise _NoValueError(f"expected a run number or time, found '{value}'") from error


def _end(value: object) -> int:
    """Return an end of validity; none, 0 and -1 all stand for "open"."""
    number = _whole(value) if value is not None else 0
    return number if 0 < number < FOREVER else FOREVER


@contextmanager
def open_index(path: Path) -> Iterator[ConditionsIndex]:
    """Open an index read-only: it may lie on a read-only mount and is never changed."""
    uri = f"file:{urllib.parse.quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True)
        try:
            yield ConditionsIndex(connection, path)
        finally:
            connection.close()
    except (sqlite3.Error, _NoValueError) as error:
        raise SpecificationError(
            f"{path.name} cannot be read as a conditions database: {error}", place=str(path)
        ) from error

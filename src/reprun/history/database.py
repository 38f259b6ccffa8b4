"""The file that holds the history: opened, made where there is none, and never trusted.

A directory of results may have come from anywhere, and the file in it. Nothing in it is executed:
a trigger, or a table or view of ours that is another, makes the file one that is refused.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.resources import files as resources
from pathlib import Path

from reprun.bounded import limits
from reprun.errors import IntegrityError, StorageError
from reprun.files import make_directory
from reprun.wording import quoted

FILE = "history.sqlite"
VERSION = 1
"""The `user_version` of the file. It goes up when a column goes or means something else."""
PATIENCE_SECONDS = 10.0
"""How long a writer waits for another: one transaction takes milliseconds."""
MOUNTS = Path("/proc/self/mountinfo")
SHARED = re.compile(r"nfs|cifs|smb|afs|auristor|lustre|gpfs|ceph|beegfs|glusterfs|9p|fuse|eos")
"""Types of file systems on which processes of several machines may write, or that have no memory
which processes share: WAL is not for them (https://www.sqlite.org/wal.html, section 1)."""


class Database:
    """One open history."""

    def __init__(self, path: Path, connection: sqlite3.Connection, note: str = "") -> None:
        self.path = path
        self.note = note
        """What is not as it should be, though rows are kept."""
        self._connection = connection

    def execute(self, sql: str, values: Mapping[str, object] | tuple[object, ...] = ()) -> Cursor:
        """Execute one statement of ours. Raises as `opened` does."""
        with errors(self.path):
            return self._connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute one statement of ours for each row."""
        with errors(self.path):
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self, *, lasting: bool = True) -> Iterator[None]:
        """Write all of what the block does, or nothing; one writer at a time.

        A kill loses nothing of it once it is done, and neither does a loss of power if it is
        lasting: then the journal is on the disk at its end.
        """
        self.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


Cursor = sqlite3.Cursor


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """Open the history to write, made where there is none.

    Raises StorageError where it cannot be written and IntegrityError where it is damaged or not
    what reprun makes.
    """
    make_directory(path.parent)
    with errors(path), closing(_connected(path, "rwc")) as connection:
        note = _journal(connection, path)
        database = Database(path, connection, note)
        if _version(connection) == 0:
            with database.transaction():
                if _version(connection) == 0:  # another process may have made it just now
                    _refuse_foreign(connection, path)
                    for statement in statements():
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
        check(connection, path)
        yield database


@contextmanager
def looked_into(path: Path) -> Iterator[Database | None]:
    """Open the history to read; None where there is none. Raises as `opened` does."""
    if not path.is_file():
        yield None
        return
    with errors(path), closing(_reading(path)) as connection:
        if _version(connection) == 0:  # made at this moment, or left so by a kill
            _refuse_foreign(connection, path)
            yield None
            return
        check(connection, path)
        connection.execute("BEGIN")  # all that is read is of one moment
        yield Database(path, connection)


@contextmanager
def checked_copy(path: Path) -> Iterator[Database]:
    """Open a copy of somebody else's history, every page of which is looked at first.

    Raises IntegrityError for one that is damaged or not what reprun makes.
    """
    with errors(path), closing(_connected(path, "rw")) as connection:
        check(connection, path)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise _refused(path, f"the history is damaged: {found}")
        yield Database(path, connection)


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn what SQLite refuses into a sentence with a next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"cannot use the history: {error}",
            place=str(path),
            hint=f"df -h {quoted(path.parent)}; ls -l {quoted(path)}",
        ) from error
    except sqlite3.DatabaseError as error:
        raise _refused(path, f"the history is damaged: {error}") from error
    except ValueError as error:  # of a value that no column of ours has, as pydantic and dates say
        first = str(error).splitlines()[0]
        raise _refused(path, f"the history has a row that is not right: {first}") from error


def _refused(path: Path, message: str) -> IntegrityError:
    aside = path.with_name(f"{path.name}.refused")
    return IntegrityError(
        message, place=str(path), hint=f"mv {quoted(path)} {quoted(aside)}   # a new one is begun"
    )


def _connected(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    if path.is_symlink():  # results may be somebody else's: it would be made where that leads
        raise _refused(path, "the history is not one: it is a symbolic link")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}{more}",
        uri=True,
        timeout=PATIENCE_SECONDS,
        isolation_level=None,
    )
    # What a name holds that is no UTF-8 is shown, and is no error of the whole file.
    connection.text_factory = lambda text: text.decode(errors="replace")
    connection.row_factory = _plain
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * limits.KEPT_TEXT.value)
    for pragma in ("trusted_schema = OFF", "foreign_keys = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _plain(cursor: sqlite3.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
    """Return a row; raise ValueError for bytes where a text or number is meant."""
    for column, value in zip(cursor.description, row, strict=True):
        if isinstance(value, bytes) and column[0] != "bytes":
            raise ValueError(f"the column {column[0]} holds bytes")
    return row


def _reading(path: Path) -> sqlite3.Connection:
    """Open to read; in a directory that nobody may write there is no memory to share."""
    connection = _connected(path, "ro")
    try:
        _version(connection)
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _connected(path, "ro", "&immutable=1")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _journal(connection: sqlite3.Connection, path: Path) -> str:
    """Choose the journal; return why it is not WAL, if it is not."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    kind = file_system_of(path)
    if SHARED.search(kind):
        if mode == "wal":
            connection.execute("PRAGMA journal_mode = DELETE")
        return f"WAL is not for a file system of the type {kind}: a rollback journal is used"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while mode != "wal":
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError:  # SQLite does not wait here for who makes the file
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            return "there is no memory to share for WAL here: a rollback journal is used"
    return ""


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the file system that a path is on; empty where it is not known."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = (0, "")
    resolved = path.resolve()
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")[0]
        if len(fields) < 5:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        if resolved.is_relative_to(place):
            found = max(found, (len(place), kind))
    return found[1]


@cache
def statements() -> tuple[str, ...]:
    """Return the statements that make an empty history."""
    text = (resources("reprun.history") / "schema.sql").read_text(encoding="utf-8")
    text = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    return tuple(part.strip() for part in text.split(";\n") if part.strip())


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of something else: nothing of ours is in it."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise _refused(path, "the history is not one: it is a database of something else")


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise IntegrityError unless a file has our tables, as we make them, and no trigger.

    Tables, indexes and views that somebody added are let be: nothing here looks at them.
    """
    if (version := _version(connection)) != VERSION:
        told = "a newer" if version > VERSION else "another"
        raise _refused(path, f"the history was written by {told} reprun (user_version {version})")
    found = {
        (str(kind), str(name)): str(sql)
        for kind, name, sql in connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        )
    }
    for kind, name in found:
        if kind == "trigger":
            raise _refused(path, f"the history has a trigger ({name!r}), which reprun never makes")
    for statement in statements():
        _, kind, name, *_ = statement.split()
        if found.get((kind.lower(), name)) != statement:
            raise _refused(path, f"the {kind.lower()} {name} of the history is not reprun's")

"""What Snakemake in its sandbox and the supervisor outside say to each other, over one socket.

One JSON document a line. Snakemake names what it has planned and asks for steps by their keys;
the supervisor answers each with an error or with none. Nothing else can be asked for: what a
step runs is what was planned before any step had run.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from reprun import errors
from reprun.documents.reading import Document
from reprun.errors import BackendError, ReprunError
from reprun.workflow.planned import MOST_PATHS, PlannedStep

LONGEST_MESSAGE = 256 << 20
"""Bytes of a line: a plan of many thousand jobs is one."""
Key = Annotated[str, Field(max_length=64 << 10)]


class Plan(Document):
    """Snakemake has planned, or planned further after a checkpoint."""

    say: Literal["plan"] = "plan"
    steps: Annotated[tuple[PlannedStep, ...], Field(max_length=MOST_PATHS)]
    needed: Annotated[tuple[Key, ...], Field(max_length=MOST_PATHS)]
    """The keys of those that it will ask for; the outputs of the others are up to date to it."""


class Run(Document):
    """Snakemake asks for a step."""

    say: Literal["run"] = "run"
    key: Key


class Problem(Document):
    """An error on its way through the socket."""

    kind: str
    message: str
    place: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: ReprunError) -> Problem:
        """Return the problem that an error is."""
        return cls(
            kind=type(error).__name__, message=error.message, place=error.place, hint=error.hint
        )

    def error(self) -> ReprunError:
        """Return the error again."""
        kind = getattr(errors, self.kind, ReprunError)
        known = kind if isinstance(kind, type) and issubclass(kind, ReprunError) else ReprunError
        return known(self.message, place=self.place, hint=self.hint)


class Answer(Document):
    """What came of a request: of the plan where it names no key."""

    key: Key | None = None
    problem: Problem | None = None
    go_on: bool = True
    """False after a plan where nothing is to run."""


Request = Annotated[Plan | Run, Field(discriminator="say")]
_REQUEST: TypeAdapter[Plan | Run] = TypeAdapter(Request)


class Line:
    """One end of the socket; several threads may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, document: Document) -> None:
        """Send a document."""
        data = document.model_dump_json().encode() + b"\n"
        with self._sending:
            self._connection.sendall(data)

    def requests(self) -> Iterator[Plan | Run]:
        """Yield what Snakemake asks until it hangs up.

        Raises BackendError for what is not in the protocol.
        """
        for line in self._lines():
            try:
                yield _REQUEST.validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise BackendError(
                    f"Snakemake asks for what the protocol does not know: {where}: {first['msg']}"
                ) from error

    def answers(self) -> Iterator[Answer]:
        """Yield what the supervisor answers until it hangs up."""
        for line in self._lines():
            yield Answer.model_validate_json(line)

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._connection.close()

    def _lines(self) -> Iterator[bytes]:
        try:
            while line := self._stream.readline(LONGEST_MESSAGE + 1):
                if len(line) > LONGEST_MESSAGE or not line.endswith(b"\n"):
                    return
                yield line
        except (OSError, ValueError):  # hung up, from there or from here
            return


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Make the socket of a line and listen there for one caller."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        with _address(path) as address:
            listener.bind(address)
        listener.listen(1)
        yield listener


def call(path: Path) -> Line:
    """Return the end of one who calls where somebody listens. Raises OSError where nobody does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return Line(connection)


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Give an address for a socket's path: the kernel takes 107 bytes, and TMPDIR may be longer."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)

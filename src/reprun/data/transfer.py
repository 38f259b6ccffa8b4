"""The downloader: files into the store, in parallel, checked as they stream, resumed after a cut.

Data of analyses and the locked files of images come in by it. A source is left for the next one
when it has other bytes, refuses, fails again and again, or is too slow to ever end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import requests

from reprun.data.sources import (
    NoAnswerError,
    OtherBytesError,
    SourceFailedError,
    SourceRefusedError,
    connections,
    opened,
)
from reprun.digests import PREFIX, short
from reprun.progress import Progress, SilentTask, Task
from reprun.store.incoming import PartialFile
from reprun.store.store import Store

PARALLEL = 4
ATTEMPTS = 3
"""How often a source is asked in a row without a single new byte."""
BACKOFF_SECONDS = 0.4
SLOW_SECONDS = 60.0
SLOWEST = 1000
"""Bytes a second that a source has to bring, on average over SLOW_SECONDS."""
BAR_BYTES = 10_000_000
"""A file from this size on has a bar of its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to come into the store."""

    name: str
    """What it is called, once in a download."""
    size: int
    digest: str
    """`sha256:<hex>`; for a file whose sha256 is not known, a name for what arrived of it."""
    sources: tuple[str, ...]
    """Paths and URLs, in the order to ask them."""
    adler32: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the sha256 is known."""
        return self.digest.startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a source did not give a file."""

    source: str
    sentence: str
    other_bytes: bool
    """Whether the source has a file of that name with other bytes."""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.source}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file."""

    digest: str | None
    """Digest of the blob; None when no source gave the file."""
    answers: tuple[Answer, ...] = ()
    """What each source answered, when none gave it."""


class _CancelledError(Exception):
    """Another file, or the user, has ended the whole transfer."""


class _WrongPartError(OtherBytesError):
    """What has arrived is not a part of the file, or not the file."""


def download(
    wanted: Iterable[Wanted],
    store: Store,
    progress: Progress,
    total: Task,
    *,
    parallel: int = PARALLEL,
    arrived: Callable[[str, str], None] | None = None,
) -> dict[str, Outcome]:
    """Bring files into the store, `parallel` at a time; return what came of each by its name.

    `total` advances by the bytes that arrive; `arrived` is called with the digest and the source
    of each file that is new in the store. Raises StorageError when the store takes no more.
    """
    with connections(parallel) as session:
        common = _Common(store, progress, total, session, arrived, _Hosts())
        pool = ThreadPoolExecutor(parallel)
        try:
            jobs = {pool.submit(_Transfer(file, common).run): file.name for file in wanted}
            return {jobs[job]: job.result() for job in as_completed(jobs)}
        except BaseException:
            common.cancel.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


class _Hosts:
    """Which hosts answer. One that does not costs minutes each time, so it is given up."""

    def __init__(self) -> None:
        self._answering: set[str] = set()
        self._silent: set[str] = set()

    @contextmanager
    def asking(self, host: str) -> Iterator[None]:
        """Ask a host in the block; raise SourceRefusedError for one that was given up."""
        if host in self._silent:
            raise SourceRefusedError(f"skipped: {host} did not respond earlier")
        try:
            yield
        except NoAnswerError:
            raise
        except (SourceRefusedError, SourceFailedError):
            self.answered(host)
            raise

    def answered(self, host: str) -> None:
        """Note that a host answers, be it that it has not what is wanted."""
        self._answering.add(host)

    def give_up(self, host: str) -> None:
        """Note that a host did not answer in several attempts; one that ever did stays."""
        if host not in self._answering:
            self._silent.add(host)


@dataclass(frozen=True, slots=True)
class _Common:
    """What the transfers of one download share."""

    store: Store
    progress: Progress
    total: Task
    session: requests.Session
    arrived: Callable[[str, str], None] | None
    hosts: _Hosts
    cancel: threading.Event = field(default_factory=threading.Event)

    def stop_if_cancelled(self) -> None:
        if self.cancel.is_set():
            raise _CancelledError


class _Pace:
    """Gives up a source that brings so little that it would hardly ever end."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._bytes = 0

    def note(self, amount: int) -> None:
        """Count bytes; raise SourceRefusedError when the last ones were too few."""
        now = time.monotonic()
        if self._since is None:
            self._since = now  # how long a tape takes until the first byte does not count
        self._bytes += amount
        seconds = now - self._since
        if seconds >= SLOW_SECONDS:
            if self._bytes < SLOWEST * seconds:
                raise SourceRefusedError(f"too slow: {self._bytes} bytes in {seconds:.0f} seconds")
            self._since, self._bytes = now, 0


def _host_of(source: str) -> str:
    """Return `scheme://host:port` of a URL, which need not be valid: opening it says so."""
    return "/".join(source.split("/", 3)[:3])


class _Transfer:
    """One file, from whichever source has it."""

    def __init__(self, file: Wanted, common: _Common) -> None:
        self._file = file
        self._common = common
        self._own: Task = SilentTask()

    def run(self) -> Outcome:
        """Ask one source after the other."""
        file, store = self._file, self._common.store
        with ExitStack() as stack:
            if file.size >= BAR_BYTES:
                self._own = stack.enter_context(self._common.progress.task(file.name, file.size))
            part = stack.enter_context(
                store.partial(file.digest, waiting=self._common.stop_if_cancelled)
            )
            if file.pinned and store.has(file.digest):
                self._advance(file.size)  # another process has brought it meanwhile
                part.restart()
                return Outcome(file.digest)
            self._advance(part.size)
            answers = []
            for source in file.sources:
                try:
                    return Outcome(self._from(source, part))
                except (SourceRefusedError, SourceFailedError) as error:
                    other_bytes = isinstance(error, OtherBytesError)
                    answers.append(Answer(source, str(error), other_bytes))
            self._advance(-part.size)  # what is kept for the next time
            return Outcome(None, tuple(answers))

    def _from(self, source: str, part: PartialFile) -> str:
        """Take the file from one source, again and again as long as more of it arrives."""
        host, pace = _host_of(source), _Pace()
        failures, most, from_start = 0, part.size, False
        while True:
            resumed = part.size > 0
            try:
                if part.size < self._file.size or not resumed:
                    self._pull(source, host, part, pace)
                return self._accept(source, part)
            except SourceFailedError as error:
                failures = 1 if part.size > most else failures + 1
                most = max(most, part.size)
                if failures >= ATTEMPTS:
                    if isinstance(error, NoAnswerError):
                        self._common.hosts.give_up(host)
                    raise
                pause = BACKOFF_SECONDS * 2 ** (failures - 1)
                self._common.cancel.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            except _WrongPartError:
                self._restart(part)
                if not resumed or from_start:
                    raise
                # The first part may have been another source's fault: once more, from the start.
                most, from_start = 0, True

    def _pull(self, source: str, host: str, part: PartialFile, pace: _Pace) -> None:
        hosts, session = self._common.hosts, self._common.session
        with hosts.asking(host), opened(source, part.size, self._file.size, session) as found:
            if found.start != part.size:
                self._restart(part)
            for chunk in found.chunks:
                self._common.stop_if_cancelled()
                hosts.answered(host)
                part.write(chunk)
                self._advance(len(chunk))
                if part.size > self._file.size:
                    raise _WrongPartError(
                        f"{part.size} bytes or more arrived, expected {self._file.size}"
                    )
                if part.size < self._file.size:
                    pace.note(len(chunk))
        if part.size < self._file.size:
            raise SourceFailedError(f"{part.size} bytes arrived, expected {self._file.size}")

    def _accept(self, source: str, part: PartialFile) -> str:
        """Commit what arrived if its bytes are right."""
        file = self._file
        if file.pinned and part.digest != file.digest:
            raise _WrongPartError(
                f"the bytes have sha256 {short(part.digest)}…, expected {short(file.digest)}…"
            )
        if file.adler32 is not None and part.adler32 != file.adler32:
            raise _WrongPartError(
                f"the bytes have adler32 {part.adler32}, the manifest says {file.adler32}"
            )
        digest = self._common.store.commit(part)
        if self._common.arrived is not None:
            self._common.arrived(digest, source)
        return digest

    def _restart(self, part: PartialFile) -> None:
        self._advance(-part.size)
        part.restart()

    def _advance(self, amount: int) -> None:
        self._common.total.advance(amount)
        self._own.advance(amount)

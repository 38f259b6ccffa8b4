"""Files on their way into the store: in parallel, checked as they stream, resumed after a cut."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack

import requests

from reprun.data.sources import (
    SourceFailedError,
    SourceRefusedError,
    connections,
    opened,
    sources_of,
)
from reprun.digests import short
from reprun.documents.manifest import DataFile
from reprun.errors import InputsGoneError, IntegrityError
from reprun.progress import Progress, SilentTask, Task
from reprun.store.store import PartialFile, Store

PARALLEL = 4
ATTEMPTS = 3
"""How often a source is asked in a row without a single new byte."""
BACKOFF_SECONDS = 0.4
BAR_BYTES = 10_000_000
"""A file from this size on has a bar of its own."""


class _CancelledError(Exception):
    """Another file, or the user, has ended the whole transfer."""


def fetch(
    files: Sequence[DataFile], store: Store, progress: Progress, *, parallel: int = PARALLEL
) -> dict[str, str]:
    """Bring files into the store; return the digest of each by its path.

    Raises InputsGoneError that lists each file no source has, with what every source answered;
    what arrived before is kept. What was cut short goes on where it ended, at the next call too.
    """
    cancel = threading.Event()
    digests: dict[str, str] = {}
    gone: dict[str, list[str]] = {}
    label = f"fetching {len(files)} data file{'s' if len(files) > 1 else ''}"
    with (
        progress.task(label, sum(file.size for file in files)) as task,
        connections(parallel) as session,
    ):
        pool = ThreadPoolExecutor(parallel)
        try:
            jobs = {
                pool.submit(_Transfer(file, store, progress, task, session, cancel).run): file.path
                for file in files
            }
            for job in as_completed(jobs):
                found, answers = job.result()
                if found is None:
                    gone[jobs[job]] = answers
                else:
                    digests[jobs[job]] = found
        except BaseException:
            cancel.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    if gone:
        listed = "".join(
            f"\n  {file.path}" + "".join(f"\n    {answer}" for answer in gone[file.path])
            for file in files
            if file.path in gone
        )
        raise InputsGoneError(
            f"{len(gone)} of {len(files)} data files cannot be had:{listed}",
            hint="export REPRUN_MIRRORS=DIRECTORY   # a directory or URL that holds them",
        )
    return digests


class _Transfer:
    """One file, from whichever source has it."""

    def __init__(
        self,
        file: DataFile,
        store: Store,
        progress: Progress,
        total: Task,
        session: requests.Session,
        cancel: threading.Event,
    ) -> None:
        self._file = file
        self._store = store
        self._progress = progress
        self._total = total
        self._own: Task = SilentTask()
        self._session = session
        self._cancel = cancel

    def run(self) -> tuple[str | None, list[str]]:
        """Return the digest, or None and what each source answered."""
        file = self._file
        with ExitStack() as stack:
            if file.size >= BAR_BYTES:
                self._own = stack.enter_context(self._progress.task(file.path, file.size))
            part = stack.enter_context(
                self._store.partial(file.digest, waiting=self._stop_if_cancelled)
            )
            if file.pinned and self._store.has(file.digest):
                self._advance(file.size)  # another process has brought it meanwhile
                part.restart()
                return file.digest, []
            self._advance(part.size)
            answers = []
            for source in sources_of(file):
                try:
                    return self._from(source, part), []
                except (SourceRefusedError, SourceFailedError, IntegrityError) as error:
                    answers.append(f"{source}: {getattr(error, 'message', None) or error}")
            return None, answers or ["no source is named"]

    def _from(self, source: str, part: PartialFile) -> str:
        """Take the file from one source, again and again as long as more of it arrives."""
        failures, most, anew = 0, part.size, False
        while True:
            resumed = part.size > 0
            try:
                if part.size < self._file.size or not resumed:
                    self._pull(source, part)
                return self._accept(source, part)
            except SourceFailedError:
                failures = 1 if part.size > most else failures + 1
                most = max(most, part.size)
                if failures >= ATTEMPTS:
                    raise
                pause = BACKOFF_SECONDS * 2 ** (failures - 1)
                self._cancel.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            except IntegrityError:
                self._restart(part)
                if not resumed or anew:
                    raise
                # The first part may have been another source's fault: once more, from the start.
                most, anew = 0, True

    def _pull(self, source: str, part: PartialFile) -> None:
        with opened(source, part.size, self._file.size, self._session) as found:
            if found.start != part.size:
                self._restart(part)
            for chunk in found.chunks:
                self._stop_if_cancelled()
                part.write(chunk)
                self._advance(len(chunk))
                if part.size > self._file.size:
                    arrived = part.size
                    self._restart(part)
                    raise SourceRefusedError(
                        f"{arrived} bytes or more arrived, expected {self._file.size}"
                    )
        if part.size < self._file.size:
            raise SourceFailedError(f"{part.size} bytes arrived, expected {self._file.size}")

    def _accept(self, source: str, part: PartialFile) -> str:
        """Commit what arrived if its bytes are right."""
        file = self._file
        if file.pinned and part.digest != file.digest:
            raise IntegrityError(
                f"the bytes have sha256 {short(part.digest)}…, expected {short(file.digest)}…"
            )
        if file.adler32 is not None and part.adler32 != file.adler32:
            raise IntegrityError(
                f"the bytes have adler32 {part.adler32}, the manifest says {file.adler32}"
            )
        digest = self._store.commit(part)
        self._store.note_origin(digest, source)
        return digest

    def _restart(self, part: PartialFile) -> None:
        self._advance(-part.size)
        part.restart()

    def _advance(self, amount: int) -> None:
        self._total.advance(amount)
        self._own.advance(amount)

    def _stop_if_cancelled(self) -> None:
        if self._cancel.is_set():
            raise _CancelledError

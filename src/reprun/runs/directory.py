"""Where a run lies, and that one reprun at a time works there."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprun.errors import StorageError
from reprun.files import make_directory, storage_errors


@contextmanager
def alone(run_directory: Path) -> Iterator[None]:
    """Hold the run directory against a second run; a kill releases it."""
    with storage_errors(run_directory):
        make_directory(run_directory)
        with (run_directory / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    "another reprun is running this analysis here",
                    place=str(run_directory),
                    hint="wait for it, or give --results another directory",
                ) from error
            yield

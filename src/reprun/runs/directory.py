"""Where a run lies, and that one reprun at a time works there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprun.files import locked, make_directory, storage_errors

# What a run directory holds. Steps write in the workspace alone.
WORKSPACE = "workspace"
INPUTS = "inputs"
OUTPUTS = "outputs"


@contextmanager
def alone(run_directory: Path) -> Iterator[int]:
    """Hold the run directory against a second run; yield the descriptor that holds it.

    Whatever writes there is started with the descriptor open, so that a kill of this process
    releases the directory only once nothing of the run lives any more.

    Raises StorageError, with who runs there, where one does.
    """
    with storage_errors(run_directory):
        make_directory(run_directory)
        with locked(
            run_directory / ".lock",
            busy="another reprun is running this analysis here",
            hint="wait for it, or give --results another directory",
        ) as held:
            yield held

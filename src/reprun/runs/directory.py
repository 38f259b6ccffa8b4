"""Where a run lies, and that one reprun at a time works there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from reprun.engines.containers import Containers
from reprun.errors import StorageError
from reprun.files import locked, make_directory, storage_errors
from reprun.images.rootfs.sealed import remove_tree
from reprun.store.store import Store
from reprun.workflow.beneath import GONE
from reprun.workflow.workspace import VIEW

PATIENCE_SECONDS = 10.0

# What a run directory holds. Steps write in the workspace alone.
WORKSPACE = "workspace"
INPUTS = "inputs"
OUTPUTS = "outputs"


@contextmanager
def alone(run_directory: Path, store: Store) -> Iterator[int]:
    """Hold the run directory against a second run; yield the descriptor that holds it.

    Whatever writes there is started with the descriptor open, so that a kill of this process
    releases the directory only once nothing of the run lives any more. What a killed one left is
    ended first. Raises StorageError, with who runs there, where one does.
    """
    with storage_errors(run_directory), ExitStack() as stack:
        make_directory(run_directory)
        try:
            held = stack.enter_context(_held(run_directory))
        except StorageError:
            if not Containers(store).sweep():
                raise
            held = _once_free(run_directory, stack)
        for left in (*run_directory.glob(f"{VIEW}*"), *run_directory.glob(f"{GONE}*")):
            remove_tree(left)  # by a run that was killed
        yield held


def _once_free(run_directory: Path, stack: ExitStack) -> int:
    """Hold the directory as soon as what was ended has let go of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return stack.enter_context(_held(run_directory))
        except StorageError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _held(run_directory: Path) -> AbstractContextManager[int]:
    return locked(
        run_directory / ".lock",
        busy="another reprun is running this analysis here",
        hint="wait for it, or give --results another directory",
    )

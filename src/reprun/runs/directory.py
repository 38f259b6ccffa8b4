"""Where a run lies, and that one reprun at a time works there."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.documents.analysis import DOCUMENT
from reprun.documents.record import RECORD, REPORTS
from reprun.documents.selection import Selection
from reprun.engines import choose
from reprun.errors import StorageError
from reprun.files import locked, make_directory, storage_errors, sweep, take_lock, write_atomically
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import quoted

PATIENCE_SECONDS = 10.0
SHORT_PATIENCE_SECONDS = 0.5

# What a run directory holds. Steps write in the workspace alone.
WORKSPACE = "workspace"
INPUTS = "inputs"
OUTPUTS = "outputs"


MADE_HERE = ".made-here"
"""The file of a run directory whose text the store knows as well, once reprun has made it."""
KNOWN = "runs"
"""Where, in the store, the tokens are."""
_TOKEN = re.compile(r"[0-9a-f]{32}")
VERDICT = (RECORD, *REPORTS, "plan.json")
"""Files of a run directory that say what ran, and what came of it."""


@contextmanager
def written_alone(selection: Selection) -> Iterator[None]:
    """Hold reference and lock of an analysis; waits while another process writes them.

    What is locked is analysis.yaml: it is there, so no other file comes up among the user's own.
    """
    with storage_errors(selection.directory), (selection.directory / DOCUMENT).open("r+b") as own:
        take_lock(own)
        sweep(selection.directory, selection.reference.parent)
        yield


@contextmanager
def alone(run_directory: Path, store: Store, progress: Progress) -> Iterator[int]:
    """Hold the run directory against a second run; yield the descriptor that holds it.

    Whatever writes there is started with the descriptor open, so that a kill of this process
    releases the directory only once nothing of the run lives any more. What a killed one left is
    ended first. Raises StorageError, with who runs there, where one does.
    """
    with storage_errors(run_directory), ExitStack() as stack:
        refuse_links(run_directory)
        make_directory(run_directory)
        held = _once_free(run_directory, store, progress, stack)
        sweep(run_directory)
        yield held


def take_over(run_directory: Path, store: Store, progress: Progress) -> None:
    """Forget what a run directory says that no reprun with this store has made, for a run in it.

    A project of somebody else's may bring results, and in them a record that nothing is left to
    be run, with a verdict. The steps run again; afterwards the directory is known by a token.
    """
    place = run_directory / MADE_HERE
    known = store.directory(KNOWN)
    with suppress(OSError, UnicodeDecodeError, LimitError):
        token = read_text(place, limits.TOML_BYTES)
        if _TOKEN.fullmatch(token) and (known / token).is_file():
            return
    brought = [name for name in VERDICT if (run_directory / name).is_file()]
    for name in brought:
        (run_directory / name).unlink()
    if brought:
        progress.say(
            "note: these results were not made with this store, so nothing they say is believed: "
            f"{run_directory}"
        )
    token = secrets.token_hex(16)
    (known / token).touch()
    write_atomically(place, token.encode(), lasting=False)


def refuse_links(run_directory: Path) -> None:
    """Raise StorageError where a link stands in the place of a run directory or of what is in it.

    A project of somebody else's may bring one: what a run writes, removes or gives to its steps
    would be what the link leads to. The directory of all results may be one, it is the user's.
    """
    above = [run_directory.parent, run_directory]
    inside = sorted(run_directory.iterdir()) if run_directory.is_dir() else []
    for path in (*above, *inside):
        if path.is_symlink():
            raise StorageError(
                f"{path.name} in the results is a symbolic link, which no run made",
                place=str(path),
                hint=f"rm {quoted(path)}   # the link alone; or give --results another directory",
            )


def _once_free(run_directory: Path, store: Store, progress: Progress, stack: ExitStack) -> int:
    """Hold the directory as soon as what a kill left, which is ended, has let go of it.

    A container that was only starting when it was looked for may show a moment later.
    """
    deadline = time.monotonic() + SHORT_PATIENCE_SECONDS
    while True:
        for container in choose.sweep(store):
            progress.say(f"removed container {container}, left by a run that was killed")
            deadline = time.monotonic() + PATIENCE_SECONDS
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

"""What a command leaves in the history: a row for each cell, whatever became of it.

A row is written once record and report are on the disk, from what lies there. That it cannot be
written is said, and changes no verdict.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from reprun.bounded import limits
from reprun.documents.selection import Selection
from reprun.errors import (
    ImageNotHereError,
    InputsGoneError,
    InterruptedRunError,
    NothingToCompareError,
    ReprunError,
    ToolError,
    unforeseen,
)
from reprun.files import is_gone, mark
from reprun.history import rows, series
from reprun.history.database import FILE, Database, opened
from reprun.history.evidence import Evidence, evidence_in, judged_of, made_of
from reprun.history.model import Entry, Run, State
from reprun.images.packages import packages_of
from reprun.progress import Progress
from reprun.runs.cell import Cell
from reprun.runs.directory import INPUTS
from reprun.wording import shortened

CANNOT_RUN_HERE = (ImageNotHereError, InputsGoneError, ToolError)
"""Errors that say nothing of an analysis, only of what this host has and can reach."""
UNSEALED = "the report on the disk is not the one that the record of the run names"


KILLED = "it did not finish: its process was killed"


def state_of(error: ReprunError) -> State:
    """Return what a run came to that ended with an error."""
    if isinstance(error, InterruptedRunError):
        return "interrupted"
    if isinstance(error, NothingToCompareError):
        return "nothing to compare"
    return "not run" if isinstance(error, CANNOT_RUN_HERE) else "failed"


class Remembering:
    """The rows of one command; nothing that goes wrong with them ends a run."""

    def __init__(self, results: Path, progress: Progress) -> None:
        self.at = dt.datetime.now(dt.UTC)
        """When the command was started: the night of all its rows."""
        self._path = results.resolve() / FILE
        self._progress = progress
        self._stack = ExitStack()
        self._database: Database | None = None
        self._works = True

    def __enter__(self) -> Self:
        """Open nothing yet: a command that runs nothing leaves nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the history."""
        with self._said():
            self._stack.close()

    def remember(
        self,
        selection: Selection | None,
        cell: Cell | None,
        *,
        named: tuple[str, str, str],
        error: ReprunError | None,
        ran: bool,
        stands: bool,
    ) -> None:
        """Write the row of one cell, by what lies in its run directory.

        `named` are analysis, variant and image, for a cell of which no more is known. `stands`
        tells that the record there is that of the run, though it began before this command.
        """
        with self._said():
            if not self._works:
                return
            database = self._opened()
            directory = selection.run_directory if selection else None
            if cell is not None:
                directory = cell.run_directory  # of a run on a cluster it is another
            found = evidence_in(directory) if directory else None
            if found is not None and not stands and found.record.started < self.at:
                found = None
            report = found.report_digest if found and error is None else None
            said = "" if report else error.message if error else UNSEALED
            run = self._run(selection, named).model_copy(
                update={
                    "state": "compared" if report else state_of(error) if error else "failed",
                    "ran": ran,
                    "sentence": shortened(said, limits.HISTORY_TEXT.value),
                    "record": found.record_digest if found else None,
                    "report": report,
                }
            )
            # Where nothing ran there is no new verdict: 500 such cells need not wait for the disk.
            with database.transaction(lasting=ran or error is not None):
                rows.add(database, _entry(database, run, found, directory, cell))
                rows.end(database, run, mark())

    def begin(self, begun: Iterable[tuple[Selection, str]]) -> None:
        """Note that cells are about to run, each with its image: what is killed is not forgotten.

        The next command that opens the history gives what it finds so, and nobody runs any more, a
        row that says that it did not finish.
        """
        with self._said():
            if not self._works:
                return
            database = self._opened()
            with database.transaction():
                for selection, image in begun:
                    named = (selection.analysis.name, selection.variant, image)
                    rows.begin(database, self._run(selection, named), mark())

    def _run(self, selection: Selection | None, named: tuple[str, str, str]) -> Run:
        """Return a run of a cell of which no more is known than that it was begun."""
        analysis, variant, image = named
        return Run(
            at=self.at,
            analysis=analysis,
            variant=variant,
            dataset=(selection.dataset or "") if selection else "",
            tier=selection.tier.name if selection and selection.tier else "",
            image=image,
            state="interrupted",
            ran=True,
        )

    def since(self, selection: Selection) -> str | None:
        """Return since when a cell is red and what changed that night; None where it is not."""
        with self._said():
            if not self._works:
                return None
            database = self._opened()
            for cell in rows.cells(database, selection.analysis.name):
                tier = selection.tier.name if selection.tier else ""
                where = (selection.variant, selection.dataset or "", tier)
                if (cell.variant, cell.dataset, cell.tier) == where:
                    return series.sentence(database, rows.nights(database, cell))
        return None

    def _opened(self) -> Database:
        if self._database is None:
            self._database = self._stack.enter_context(opened(self._path))
            if self._database.note:
                self._progress.say(f"note: history: {self._database.note}")
            self._recover(self._database)
        return self._database

    def _recover(self, database: Database) -> None:
        """Give a row to every run that did not finish because its process was killed."""
        gone = [each for each in rows.begun(database) if is_gone(each.process)]
        if not gone:
            return
        with database.transaction():
            for each in gone:
                run = Run(
                    at=each.at,
                    analysis=each.cell.analysis,
                    variant=each.cell.variant,
                    dataset=each.cell.dataset,
                    tier=each.cell.tier,
                    image=each.image,
                    state="interrupted",
                    ran=True,
                    sentence=KILLED,
                )
                rows.add(database, Entry(run=run))
                rows.end(database, run, each.process)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Let what goes wrong be a note, once for a command."""
        try:
            yield
        except InterruptedRunError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
            told = error if isinstance(error, ReprunError) else unforeseen(error, hint="")
            if self._works:
                tried = f"; try: {told.hint}" if told.hint else ""
                self._progress.say(
                    f"note: this run is missing in the history: {told.message}{tried}; its verdict "
                    "stands"
                )
            self._works = False


@contextmanager
def remembered(selection: Selection, cell: Cell | None, memory: Remembering) -> Iterator[None]:
    """Let a run that ends with an error in this block have its row, too."""
    try:
        yield
    except ReprunError as error:
        remember_run(selection, cell, memory, error=error)
        raise
    except Exception as error:
        remember_run(selection, cell, memory, error=unforeseen(error, hint=""))
        raise


def remember_run(
    selection: Selection,
    cell: Cell | None,
    memory: Remembering,
    *,
    error: ReprunError | None = None,
    ran: bool = False,
) -> None:
    """Write the row of one run: that of its command alone."""
    memory.remember(
        selection,
        cell,
        named=(selection.analysis.name, selection.variant, selection.chosen.image),
        error=error,
        ran=ran,
        stands=error is None,
    )


def _entry(
    database: Database,
    run: Run,
    found: Evidence | None,
    directory: Path | None,
    cell: Cell | None,
) -> Entry:
    """Return a run with all of it that the history has not got yet."""
    if found is None or rows.knows(database, "records", found.record_digest):
        return Entry(run=run)
    assert directory is not None
    report = found.judged()
    tables = {} if cell is None else _tables(cell)
    bytes_of = _readers(found, directory, cell, tables)
    return Entry(
        run=run,
        made=made_of(found, report, tables),
        judged=None if report is None else judged_of(found, report),
        packages={}
        if cell is None
        else {
            found.record.inputs.images[name]: packages
            for name, packages in packages_of(found.record.inputs.images, cell.catalogue).items()
        },
        texts={
            digest: data
            for digest, read in bytes_of.items()
            if rows.text(database, digest) is None and (data := read()) is not None
        },
    )


def _tables(cell: Cell) -> dict[str, str]:
    """Return the column that names the rows of each table of the conditions, by its name."""
    return {
        f"{snapshot.name}/{file.path}": snapshot.key
        for snapshot in cell.snapshots.values()
        if snapshot.kind == "table" and snapshot.key
        for file in snapshot.files
    }


def _readers(
    found: Evidence, directory: Path, cell: Cell | None, tables: Mapping[str, str]
) -> dict[str, Callable[[], bytes | None]]:
    """Return what reads each code file and table, by digest."""
    code = found.record.inputs.code
    places = {digest: directory / INPUTS / path for path, digest in code.items()}
    if cell is not None and not (directory / INPUTS).is_dir():  # it ran on a cluster
        places = {digest: cell.selection.directory / path for path, digest in code.items()}
    if cell is not None and cell.store is not None:
        places |= {
            digest: cell.store.blob_path(digest)
            for name, files in found.record.inputs.conditions.items()
            for path, digest in files.items()
            if f"{name}/{path}" in tables
        }
    return {digest: _reader(place) for digest, place in places.items()}


def _reader(place: Path) -> Callable[[], bytes | None]:
    def read() -> bytes | None:
        try:
            with place.open("rb") as stream:
                data = stream.read(limits.KEPT_TEXT.value + 1)
        except OSError:
            return None
        return data if len(data) <= limits.KEPT_TEXT.value else None

    return read

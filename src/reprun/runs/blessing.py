"""From the last run to the reference: what `reprun bless` does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from reprun.digests import sha256_file
from reprun.documents.reading import WORDS
from reprun.documents.record import (
    RECORD,
    REPORT_JSON,
    RunRecord,
    changed_reports,
    read_record,
    unread_record,
)
from reprun.documents.selection import Selection
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.packages import packages_of
from reprun.progress import Progress, announced
from reprun.report.model import read_report
from reprun.runs.blessed import Compared
from reprun.runs.candidate import check_candidate
from reprun.runs.directory import OUTPUTS, alone, written_alone
from reprun.runs.lock import compute_lock, write_lock
from reprun.runs.preview import Preview, preview
from reprun.runs.question import Declared
from reprun.runs.reference import bless
from reprun.runs.rewritten import rewritten
from reprun.store.store import Store

Agree = Callable[[Preview], bool]


def bless_last_run(
    selection: Selection,
    store: Store,
    progress: Progress,
    *,
    reason: str,
    author: str,
    agree: Agree | None = None,
) -> list[str]:
    """Write the last run's objects as reference and lock them; return the paths written.

    `agree` is given what will change; where it does not, nothing is written or returned. Two at
    once are one after the other. Raises SpecificationError when there is no finished run, or none
    with the parameters of analysis.yaml, or no reason or author, and StorageError while the
    analysis is running.
    """
    _finished_run(selection)  # before anything is made where nothing ran
    with written_alone(selection), alone(selection.run_directory, store, progress):
        record = _finished_run(selection)
        return _bless(selection, record, store, progress, reason=reason, author=author, agree=agree)


def _finished_run(selection: Selection) -> RunRecord:
    """Return the record of the last run; raise SpecificationError if it did not finish."""
    record = read_record(selection.run_directory)
    if record is None or record.status != "finished":
        unread = unread_record(selection.run_directory)
        if record is not None:
            state = f"{record.status} in its last run"
        elif unread is not None:
            state = f"has a record of its last run that is not read ({WORDS[unread]})"
        else:
            state = "has not run here"
        raise SpecificationError(
            f"{selection.analysis.name} {state}; only a finished run can be blessed",
            place=str(selection.run_directory),
            hint=selection.command("run"),
        )
    return record


def _bless(
    selection: Selection,
    record: RunRecord,
    store: Store,
    progress: Progress,
    *,
    reason: str,
    author: str,
    agree: Agree | None,
) -> list[str]:
    _refuse_other_parameters(selection, record)
    if not reason.strip():
        raise SpecificationError(
            "a reference needs a reason", hint=selection.command("bless", '--reason "…"')
        )
    who = author.strip() or _git_user()
    if not who:
        raise SpecificationError(
            "a reference needs an author",
            hint=selection.command("bless", '--author "…"', '--reason "…"'),
        )
    _refuse_changed_reports(selection, record)
    outputs = selection.analysis.outputs
    made = selection.run_directory / OUTPUTS
    _refuse_edited(selection, record, made)
    declared = Declared(outputs=outputs.compared, documents=outputs.documents, trees=outputs.trees)
    reference = selection.reference
    try:
        with rewritten(declared, made, store) as found:
            for note in found.notes:
                progress.say(f"note: {note}")
            if not check_candidate(record, selection.run_directory, found.made.hashes):
                progress.say("note: the run has no candidate.json to check its outputs against")
            if agree and not agree(preview(selection, record, found, made, store)):
                return []
            written = bless(
                reference,
                found.write,
                record,
                reason=reason.strip(),
                author=who,
                packages=packages_of(record.inputs.images, Catalogue.of(selection.project)),
                compared=_compared(selection, record),
                run=sha256_file(selection.run_directory / RECORD),
            )
    except IntegrityError as error:
        error.hint = error.hint or selection.command("run", "--again")
        raise
    except SpecificationError as error:
        error.hint = error.hint or f"{selection.command('run')}   # once the code is fixed"
        raise
    write_lock(compute_lock(selection), selection.directory)
    return [str(reference / file) for file in written]


def _compared(selection: Selection, record: RunRecord) -> Compared | None:
    """Return the verdict that was looked at before blessing; None if there was none."""
    path = selection.run_directory / REPORT_JSON
    if REPORT_JSON not in record.reports or not path.is_file():
        return None
    report = read_report(path)
    return Compared(
        report=record.reports[REPORT_JSON], sentence=report.sentence, counts=report.counts
    )


def _refuse_changed_reports(selection: Selection, record: RunRecord) -> None:
    """Refuse where what was looked at before blessing is not what the comparison wrote."""
    for name in changed_reports(record, selection.run_directory):
        raise SpecificationError(
            f"{name} was changed after the run",
            place=str(selection.run_directory / name),
            hint=f"{selection.command('run')}   # writes it again",
        )


def _refuse_edited(selection: Selection, record: RunRecord, made: Path) -> None:
    """Refuse outputs that are not those of the record: edited, or of a run that was killed."""
    for path in selection.analysis.outputs.all:
        file = made / path
        if not file.is_file() or sha256_file(file) != record.outputs.get(path):
            raise SpecificationError(
                f"the output {path} is not what the last run made",
                place=str(file),
                hint=selection.command("run", "--again"),
            )


def _refuse_other_parameters(selection: Selection, record: RunRecord) -> None:
    """Refuse a run with `-p`: no plain run would repeat it, and of seeds none would need to."""
    ran = record.inputs.parameters
    for name, value in selection.parameters.items():
        if name in ran and ran[name] != value:
            raise SpecificationError(
                f"the last run of {selection.analysis.name} had {name}={ran[name]}, analysis.yaml "
                f"says {value}: a reference is what a run without -p repeats",
                hint=f"{selection.command('run')}   # or write {name}: {ran[name]} into "
                "analysis.yaml",
            )


def _git_user() -> str:
    try:
        said = subprocess.run(
            announced(["git", "config", "user.name"]), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()

"""An analysis run apart: a copy of it in a directory of its own, with results of its own.

Whoever runs an analysis otherwise than its user asked for, to learn something of it, runs a copy:
the user's files, lock, reference, results and history are read and never written.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from reprun.conditions import snapshot as conditions
from reprun.data.files import committed_file
from reprun.documents import analysis as documents
from reprun.documents.analysis import Analysis
from reprun.documents.project import PROJECT_FILE, Project
from reprun.documents.record import RunRecord, read_record
from reprun.documents.selection import Selection
from reprun.errors import InterruptedRunError, ReprunError
from reprun.files import make_directory, storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import IMAGE_TOML
from reprun.progress import Progress
from reprun.report.model import Report
from reprun.runs.lock import LOCK, code_files
from reprun.runs.request import RunRequest
from reprun.runs.run import run
from reprun.store.store import Store

PROJECT = "project"
RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run apart ended: with a report, or with the error that kept it from one."""

    selection: Selection
    report: Report | None
    error: ReprunError | None
    record: RunRecord | None
    """None where the run ended before a step was asked for."""


def copied(selection: Selection, home: Path) -> Selection:
    """Copy an analysis and what it names into a directory; return the same run of the copy.

    The copy has code, reference, lock, conditions and committed data of the analysis, and the
    definitions of its images as its own: all of them may be changed there. Its results are in the
    directory, too. Raises SpecificationError for an analysis that lacks what it names.
    """
    own, project = selection.directory, selection.project
    root = home / PROJECT
    directory = root / project.analyses_in / selection.analysis.name
    with storage_errors(home):
        make_directory(directory)
        shutil.copyfile(project.root / PROJECT_FILE, root / PROJECT_FILE)
        for path in _files(selection):
            make_directory((directory / path).parent)
            shutil.copy(own / path, directory / path)
        for name in (*selection.analysis.all_references, conditions.DIRECTORY):
            _copy_tree(own / name, directory / name)
        _copy_tree(project.root / conditions.DIRECTORY, root / conditions.DIRECTORY)
        copy = replace(
            selection,
            project=Project(root, project.analyses_in, packaged_images=False),
            directory=directory,
            typed_results=home / RESULTS,
        )
        for name in images_of(selection.analysis):
            copy_image(name, project, copy.project)
    return copy


def images_of(analysis: Analysis) -> list[str]:
    """Return the names of all images of an analysis, sorted."""
    return sorted({n for each in analysis.variants.values() for n in each.all_images.values()})


def copy_image(name: str, source: Project, target: Project) -> None:
    """Copy the definition and locks of an image of one project into another's own images."""
    for images in Catalogue.of(source).directories:
        if (images / name / IMAGE_TOML).is_file():
            _copy_tree(images / name, target.images / name)


def _files(selection: Selection) -> Iterator[str]:
    """Yield the files of an analysis beside reference and conditions, each once."""
    own, analysis = selection.directory, selection.analysis
    found = dict.fromkeys([documents.DOCUMENT, *code_files(analysis, own)])
    if (own / LOCK).is_file():
        found[LOCK] = None
    for dataset in analysis.datasets.values():
        for file in dataset.files:
            if committed_file(file, own) is not None:
                found[file.path] = None
    yield from found


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a directory with what its links point at; one that is not there is left out."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)


def run_apart(request: RunRequest, store: Store, progress: Progress) -> Ended:
    """Run a copy that `copied` made; the lock of the copy is renewed, for it may be changed.

    An error of the run is a part of the answer. Raises InterruptedRunError when the user stops it.
    """
    selection, begun = request.selection, dt.datetime.now(dt.UTC)
    try:
        outcome = run(replace(request, update_lock=True), store, progress)
    except InterruptedRunError:
        raise
    except ReprunError as error:
        record = read_record(selection.run_directory)
        # One that is older is of an earlier run: this one ended before it had asked for a step.
        own = record is not None and record.started >= begun
        return Ended(selection, None, error, record if own else None)
    return Ended(selection, outcome.report, None, outcome.record)

"""Files of this machine made into a dataset; an analysis's datasets looked after."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from reprun.data import files as data_files
from reprun.digests import adler32_file, sha256_file, short
from reprun.documents.analysis import DOCUMENT, Analysis, load_analysis, manifest_of
from reprun.documents.manifest import DataFile, Dataset, load_manifest
from reprun.documents.project import PROJECT_FILE, Project, read_project
from reprun.documents.record import RECORD
from reprun.documents.validation import MEANING_OF_PATTERN, NAME, faults_of
from reprun.errors import IntegrityError, SpecificationError
from reprun.progress import Progress
from reprun.store import collection
from reprun.store.store import Store
from reprun.wording import lines_of

LOCK = "analysis.lock"
NAMING = ("*.yaml", "*.json", "*.toml", "*.lock")
"""Documents of a project that may name data by digest."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did."""

    dataset: str
    files: int
    size: int
    pinned: int
    """How many files got their sha256 by it."""


def datasets_of(project: Project) -> Iterable[tuple[str, str, Dataset]]:
    """Yield (analysis, name, dataset) of the whole project."""
    for name in project.analysis_names():
        analysis = load_analysis(project.analysis_directory(name))
        for label, dataset in analysis.datasets.items():
            yield name, label, dataset


def chosen(analysis: Analysis, name: str | None) -> tuple[str, Dataset]:
    """Return the dataset that is meant; raises SpecificationError when there is none."""
    picked = analysis.dataset(name)
    if picked is None:
        raise SpecificationError(
            f"{analysis.name} has no datasets", hint=f"reprun data add {analysis.name} NAME FILE"
        )
    return picked


def fetch(
    directory: Path, name: str | None, store: Store, progress: Progress, *, parallel: int
) -> Fetched:
    """Bring a dataset of an analysis into the store, and pin what has no sha256 yet."""
    label, dataset = chosen(load_analysis(directory), name)
    pinned = 0
    if dataset.unpinned:
        manifest = manifest_of(directory, label)
        if manifest is None:
            raise SpecificationError(
                f"dataset '{label}' has files without sha256 and is defined in analysis.yaml; "
                "put it into a manifest of its own, where the sha256 can be added",
                place=str(directory / "analysis.yaml"),
            )
        pinned = data_files.pin(manifest, store, progress, parallel=parallel)
        dataset = load_manifest(manifest)
    with collection.hold(store, [file.digest for file in dataset.files]):
        data_files.resolve(dataset, directory, store, progress, parallel=parallel)
        # A collection that is asked for in another project keeps these files too.
        named_by = (directory / LOCK, directory / DOCUMENT, manifest_of(directory, label))
        for document in named_by:
            if document is not None and document.is_file():
                collection.register(store, document)
    return Fetched(label, len(dataset.files), dataset.size, pinned)


def verify(
    dataset: Dataset, directory: Path, store: Store, progress: Progress, *, jobs: int | None
) -> collection.Verification:
    """Hash every file of a dataset, those of the analysis directory and those of the store."""
    data_files.refuse_unpinned(dataset)
    stored: dict[str, None] = {}
    committed: list[DataFile] = []
    for file in dataset.files:
        if data_files.committed_file(file, directory) is None:
            stored[file.digest] = None
        else:
            committed.append(file)
    data_files.check_committed(dataset, directory)
    found = collection.verify(store, list(stored), progress, jobs=jobs)
    return collection.Verification(
        found.checked + len(committed),
        found.size + sum(file.size for file in committed),
        found.corrupt,
        found.absent,
    )


def add(
    files: Sequence[Path], title: str, store: Store, about: Mapping[str, str | None]
) -> Dataset:
    """Put files of this machine into the store; return the manifest that describes them."""
    described = []
    for path in files:
        if not path.is_file():
            what = "is a directory, name its files" if path.is_dir() else "does not exist"
            raise SpecificationError(f"there is no file {path}: it {what}", place=str(path))
        digest = sha256_file(path)
        store.add_file(path, expected=digest)
        store.note_origin(digest, path.resolve().as_uri())
        described.append(
            {
                "path": f"data/{path.name}",
                "size": path.stat().st_size,
                "sha256": digest.removeprefix("sha256:"),
                "adler32": adler32_file(path),
            }
        )
    names = [each["path"] for each in described]
    for name in names:
        if names.count(name) > 1:
            raise SpecificationError(f"two files are called {name}; rename one of them")
    try:
        return Dataset.model_validate({"title": title, **about, "files": described})
    except ValidationError as error:
        raise SpecificationError(
            f"these files cannot be made into a dataset: {faults_of(error, Dataset)[0]}",
            hint="rename the file, then type the same command again",
        ) from error


def manifest_path(directory: Path, name: str) -> Path:
    """Return where the manifest of a new dataset goes; refuse what is not a name of one."""
    if re.fullmatch(NAME, name) is None:
        raise SpecificationError(
            f"a dataset cannot be called '{name}': {MEANING_OF_PATTERN[NAME]}",
            hint="reprun data add ANALYSIS NAME FILE   # e.g. muons-2012",
        )
    return directory / "data" / f"{name}.yaml"


def documents_of(*projects: Project) -> list[Path]:
    """Return every document of projects that may name data: they are kept."""
    return [
        path
        for project in projects
        for directory in (project.analyses, project.root / "conditions")
        for pattern in NAMING
        for path in sorted(directory.rglob(pattern))
        if path.is_file()
    ]


def projects_of(store: Store) -> list[Project]:
    """Return every project that used a store. Raises SpecificationError for one that is broken."""
    found = collection.users(store)
    return [read_project(path) for path in found if (path / PROJECT_FILE).is_file()]


def records_of(store: Store) -> list[Path]:
    """Return the record of every run that used a store and whose results are still there."""
    found = collection.users(store)
    return [record for path in found for record in sorted(path.glob(f"*/*/{RECORD}"))]


def refuse_corrupt(found: collection.Verification, what: str) -> None:
    """Raise IntegrityError that names what a verification moved to quarantine."""
    if found.corrupt:
        raise IntegrityError(
            f"{len(found.corrupt)} of {found.checked} files of {what} are corrupt and were "
            f"moved to quarantine:{lines_of(f'{short(digest)}…' for digest in found.corrupt)}",
            hint="reprun data fetch ANALYSIS   # or run again: they are brought again",
        )

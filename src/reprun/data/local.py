"""Files of this machine made into a dataset; an analysis's datasets looked after."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from reprun.data import files as data_files
from reprun.data import portal, records
from reprun.data.publishing import published
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
from reprun.wording import lines_of, listed, quoted

File = TypeVar("File")
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
    of: int
    """How many files the dataset has."""
    on_tape: int = 0
    """How many were left out, because the portal has them on tape."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of a dataset are fetched: those that match, and are or get online."""

    patterns: tuple[str, ...] = ()
    """Globs of paths or names of files; none means all."""
    online: bool = False
    """Whether files that the portal has on tape are left out."""
    stage: bool = False
    """Whether the portal is asked to bring them online."""
    wait: bool = False
    """Whether to wait until it has."""

    @property
    def asks_the_portal(self) -> bool:
        """Whether it depends on what is online now."""
        return self.online or self.stage or self.wait


ALL = Choice()


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
            f"{analysis.name} has no datasets",
            hint=f"reprun data add {quoted(analysis.name)} NAME FILE",
        )
    return picked


def fetch(
    directory: Path,
    name: str | None,
    store: Store,
    progress: Progress,
    *,
    parallel: int,
    choice: Choice = ALL,
) -> Fetched:
    """Bring a dataset of an analysis, or some files of it, into the store.

    What has no sha256 yet is pinned.
    """
    label, dataset = chosen(load_analysis(directory), name)
    wanted, on_tape = _wanted(label, dataset, choice, store, progress)
    pinned = 0
    if any(not file.pinned for file in wanted):
        manifest = manifest_of(directory, label)
        if manifest is None:
            raise SpecificationError(
                f"dataset '{label}' has files without sha256 and is defined in analysis.yaml; "
                "put it into a manifest of its own, where the sha256 can be added",
                place=str(directory / "analysis.yaml"),
            )
        paths = {file.path for file in wanted}
        pinned = data_files.pin(manifest, store, progress, parallel=parallel, only=paths)
        wanted = [file for file in load_manifest(manifest).files if file.path in paths]
    if wanted:
        part = dataset.model_copy(update={"files": tuple(wanted)})
        with collection.hold(store, [file.digest for file in wanted]):
            data_files.resolve(part, directory, store, progress, parallel=parallel)
            # A collection that is asked for in another project keeps these files too.
            named_by = (directory / LOCK, directory / DOCUMENT, manifest_of(directory, label))
            for document in named_by:
                if document is not None and document.is_file():
                    collection.register(store, document)
    size = sum(file.size for file in wanted)
    return Fetched(label, len(wanted), size, pinned, len(dataset.files), on_tape)


def _wanted(
    label: str, dataset: Dataset, choice: Choice, store: Store, progress: Progress
) -> tuple[list[DataFile], int]:
    """Return the files that are chosen, and how many more were, but are on tape."""
    files = matching(dataset.files, choice.patterns, lambda file: file.path)
    if not choice.asks_the_portal:
        return files, 0
    number = records.int_of(dataset.record or "")
    if number is None:
        raise SpecificationError(
            f"dataset '{label}' names no record, so the portal cannot be asked what is online",
            hint="the same command again without --online, --stage and --wait",
        )
    absent = [file for file in files if not (file.pinned and store.has(file.digest))]
    tape = portal.staged(
        number,
        {uri for file in absent for uri in file.uris},
        progress,
        request=choice.stage,
        wait=choice.wait,
    )
    wanted = [file for file in files if not tape.intersection(file.uris)]
    return wanted, len(files) - len(wanted)


def matching(
    files: Sequence[File], patterns: Sequence[str], path_of: Callable[[File], str]
) -> list[File]:
    """Return the files whose path or name one of the globs matches; all without a glob.

    Raises SpecificationError for a glob that matches none.
    """
    kept: dict[int, None] = {}
    for pattern in patterns:
        found = [
            index
            for index, file in enumerate(files)
            for path in [path_of(file)]
            if fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)
        ]
        if not found:
            names = listed([path_of(file) for file in files])
            raise SpecificationError(f"--files {quoted(pattern)} matches none of {names}")
        kept |= dict.fromkeys(found)
    return [files[index] for index in sorted(kept)] if patterns else list(files)


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
    files: Sequence[Path],
    title: str,
    store: Store,
    about: Mapping[str, str | None],
    *,
    linked: bool = False,
    publish: str | None = None,
) -> Dataset:
    """Put files of this machine into the store; return the manifest that describes them.

    `linked` makes no second copy: see `Store.adopt`. `publish` is a directory that gets a copy,
    or a URL below which the files are already; the manifest names it.
    """
    described: list[dict[str, object]] = []
    for path in files:
        if not path.is_file():
            what = "is a directory, name its files" if path.is_dir() else "does not exist"
            raise SpecificationError(f"there is no file {path}: it {what}", place=str(path))
        digest = store.adopt(path) if linked else store.add_file(path, expected=sha256_file(path))
        store.note_origin(digest, path.resolve().as_uri())
        described.append(
            {
                "path": f"data/{path.name}",
                "size": path.stat().st_size,
                "sha256": digest.removeprefix("sha256:"),
                "adler32": adler32_file(path),
            }
        )
    names = [str(each["path"]) for each in described]
    for name in names:
        if names.count(name) > 1:
            raise SpecificationError(f"two files are called {name}; rename one of them")
    if publish is not None:
        for path, each in zip(files, described, strict=True):
            each["uris"] = [published(path, publish)]
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

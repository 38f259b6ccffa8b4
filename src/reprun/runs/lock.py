"""`analysis.lock`: every digest an analysis was blessed with, in one committed file.

`run` refuses what differs from it, naming the file and both digests, unless the user says
that the change is meant (`--update-lock`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reprun.conditions.changes import changed_rows_text
from reprun.conditions.snapshot import (
    Kind,
    Snapshot,
    find_snapshots,
    load_snapshot,
    snapshot_directory,
)
from reprun.digests import (
    canonical_json,
    digest_change,
    sha256_bytes,
    sha256_file,
    sha256_tree,
)
from reprun.documents.analysis import Analysis
from reprun.documents.reading import Document, read_written
from reprun.documents.selection import Selection
from reprun.errors import IntegrityError, OutputMissingError, SpecificationError
from reprun.files import leads_to, restoring, write_atomically
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.packages import changed_packages, packages_of
from reprun.runs.blessed import blessed_packages
from reprun.store.store import Store
from reprun.wording import lines_of, quoted

LOCK = "analysis.lock"
NOT_CODE = ("__pycache__", ".snakemake")
CONFIGURATION = "config.yaml"
NOT_PINNED = "not pinned"


class SnapshotLock(Document):
    """A locked snapshot of conditions."""

    kind: Kind
    files: Mapping[str, str]
    """sha256 by path; `snapshot.toml` is for what is not a file: global tag, mount, revision."""


class AnalysisLock(Document):
    """Digests by part: what may decide the result and the verdict."""

    schema_version: Literal[1] = 1
    analysis: str
    images: Mapping[str, str]
    """Image ID by image name."""
    datasets: Mapping[str, Mapping[str, str]]
    """sha256 by dataset and path."""
    conditions: Mapping[str, SnapshotLock] = {}
    """Snapshots by name."""
    code: Mapping[str, str]
    """sha256 by path: Snakefiles, config.yaml and the code directories."""
    specification: Mapping[str, str]
    """Digest of the parts of analysis.yaml that decide: parameters, outputs, compare."""
    reference: Mapping[str, str]
    """sha256 by path of the reference files."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One locked thing that is no longer what it was; None means absent."""

    part: str
    name: str
    before: str | None
    now: str | None
    rows: str = ""
    """Of a table: which rows changed, or how to see it."""
    packages: str = ""
    """Of an image: which packages changed, where those that were locked are known."""

    def __str__(self) -> str:
        """Name the thing and both digests."""
        change = digest_change(self.before, self.now)
        return f"{self.part}: {self.name} {change}{self.rows}{self.packages}"


def code_files(analysis: Analysis, directory: Path) -> dict[str, str]:
    """Return `{path: sha256}` of all code: Snakefiles, config.yaml, code files and trees."""
    snakefiles = {analysis.snakefile}
    snakefiles |= {v.snakefile for v in analysis.variants.values() if v.snakefile}
    names = [*sorted(snakefiles), *analysis.code]
    if (directory / CONFIGURATION).is_file():
        names.append(CONFIGURATION)
    found: dict[str, str] = {}
    for name in names:
        path = directory / name
        _refuse_leading_out(path, directory)
        if path.is_dir():
            for below in sha256_tree(path, skip=NOT_CODE):
                _refuse_leading_out(path / below, directory)
                if (path / below).is_file():  # what is behind a link: that is what is staged
                    found[f"{name}/{below}"] = sha256_file(path / below)
        elif path.is_file():
            found[name] = sha256_file(path)
        else:
            raise SpecificationError(
                f"analysis.yaml names {name}, which does not exist", place=str(path)
            )
    return dict(sorted(found.items()))


def _refuse_leading_out(path: Path, directory: Path) -> None:
    """Raise SpecificationError for code that is a link out of the analysis."""
    if not leads_to(path).is_relative_to(directory.resolve()):
        raise SpecificationError(
            f"the code {path.relative_to(directory)} is a link that leads out of the analysis",
            place=str(path),
            hint=f"cp --remove-destination {quoted(leads_to(path))} {quoted(path)}",
        )


def snapshots_of(selection: Selection, names: Iterable[str]) -> dict[Path, Snapshot]:
    """Return the snapshots called so by their directories: the analysis's own, the project's."""
    wanted = tuple(names)
    if not wanted:
        return {}
    known = find_snapshots(selection.directory, selection.project.root)
    found = (snapshot_directory(name, known) for name in wanted)
    return {path: load_snapshot(path) for path in found}


def compute_lock(selection: Selection) -> AnalysisLock:
    """Return the lock as everything stands now, of all variants and datasets."""
    analysis, directory = selection.analysis, selection.directory
    catalogue = Catalogue.of(selection.project)
    images = sorted(
        {name for variant in analysis.variants.values() for name in variant.all_images.values()}
    )
    return AnalysisLock(
        analysis=analysis.name,
        images={name: _image_id(name, catalogue) for name in images},
        datasets={
            name: {file.path: file.digest for file in dataset.files}
            for name, dataset in analysis.datasets.items()
        },
        conditions={
            snapshot.name: SnapshotLock(kind=snapshot.kind, files=snapshot.digests())
            for snapshot in snapshots_of(selection, analysis.all_conditions).values()
        },
        code=code_files(analysis, directory),
        specification=specification(analysis),
        reference=_references(analysis, directory),
    )


def specification(analysis: Analysis) -> dict[str, str]:
    """Return the digest of each field of analysis.yaml that decides a result or its verdict."""
    # Without defaults: a field that a later version adds changes no lock of today.
    decides: dict[str, Any] = analysis.model_dump(
        mode="json",
        include={"parameters", "outputs", "compare", "variants", "references", "seeds", "map"},
        # Where a variant may be left out decides nothing of its result.
        exclude={"variants": {"__all__": {"optional"}}},
        exclude_defaults=True,
    )
    return {name: sha256_bytes(canonical_json(value)) for name, value in decides.items()}


def _image_id(name: str, catalogue: Catalogue) -> str:
    """Return an image's ID; an external image that was never pulled has none to lock."""
    if catalogue.is_external(name) and not catalogue.external(name).lock_place.is_file():
        return NOT_PINNED
    return catalogue.locked(name).image_id


def _references(analysis: Analysis, directory: Path) -> dict[str, str]:
    """Return sha256 by path; paths below `reference` stand without it."""
    found: dict[str, str] = {}
    for name in analysis.all_references:
        inside = name != analysis.reference and name.startswith(f"{analysis.reference}/")
        if (directory / name).is_dir() and not inside:
            prefix = "" if name == analysis.reference else f"{name}/"
            files = sha256_tree(directory / name)
            found |= {f"{prefix}{path}": digest for path, digest in files.items()}
    return found


def read_lock(directory: Path, *, hint: str | None = None) -> AnalysisLock | None:
    """Return the committed lock, or None if there is none yet.

    Raises SpecificationError for one that cannot be read; `hint` is the command that restores it.
    """
    return read_written(AnalysisLock, directory / LOCK, problem=f"{LOCK} cannot be read", hint=hint)


def _committed(selection: Selection) -> AnalysisLock | None:
    path = selection.directory / LOCK
    again = f"rm {quoted(path)} && {selection.about('lock')}"
    return read_lock(selection.directory, hint=restoring(path, otherwise=again))


def write_lock(lock: AnalysisLock, directory: Path) -> None:
    """Write the lock with one digest a line, so that a diff names what changed."""
    document = lock.model_dump(mode="json")
    if not lock.conditions:
        del document["conditions"]
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    write_atomically(directory / LOCK, text.encode())


def differences(before: AnalysisLock, now: AnalysisLock) -> list[Difference]:
    """Return what differs, part by part, in a stable order."""
    flat_before, flat_now = _flat(before), _flat(now)
    keys = sorted(flat_before.keys() | flat_now.keys())
    return [
        Difference(part, name, flat_before.get((part, name)), flat_now.get((part, name)))
        for part, name in keys
        if flat_before.get((part, name)) != flat_now.get((part, name))
    ]


def _flat(lock: AnalysisLock) -> dict[tuple[str, str], str]:
    flat = {("image", name): digest for name, digest in lock.images.items()}
    for dataset, files in lock.datasets.items():
        flat |= {(f"dataset {dataset}", path): digest for path, digest in files.items()}
    for name, snapshot in lock.conditions.items():
        # A table scales simulated samples: what changes in it is metadata, no calibration.
        part = "metadata" if snapshot.kind == "table" else "conditions"
        flat |= {(f"{part} {name}", path): digest for path, digest in snapshot.files.items()}
    flat |= {("code", path): digest for path, digest in lock.code.items()}
    flat |= {("analysis.yaml", name): digest for name, digest in lock.specification.items()}
    flat["analysis.yaml", "name"] = lock.analysis
    flat |= {("reference", path): digest for path, digest in lock.reference.items()}
    return flat


def _with_rows(
    difference: Difference, snapshots: Mapping[Path, Snapshot], store: Store | None
) -> Difference:
    """Add to a table that changed which of its rows did."""
    part, _, name = difference.part.partition(" ")
    if part != "metadata" or store is None or difference.before is None or difference.now is None:
        return difference
    for directory, snapshot in snapshots.items():
        if snapshot.name == name:
            rows = changed_rows_text(snapshot, directory, difference.name, difference.before, store)
            return replace(difference, rows=rows)
    return difference


def _with_packages(differences: Sequence[Difference], selection: Selection) -> list[Difference]:
    """Add to images that changed which packages did: blessings say what was in the locked ones."""
    images = {
        each.name: (each.before, each.now)
        for each in differences
        if each.part == "image" and each.before is not None and each.now is not None
    }
    if not images:
        return list(differences)
    known = [selection.directory / name for name in selection.analysis.all_references]
    before = blessed_packages(known, {name: old for name, (old, _) in images.items()})
    catalogue = Catalogue.of(selection.project)
    now = packages_of({name: new for name, (_, new) in images.items()}, catalogue)
    return [
        replace(each, packages=changed_packages(before.get(each.name), now.get(each.name)))
        if each.part == "image"
        else each
        for each in differences
    ]


def enforce_lock(selection: Selection, store: Store | None = None) -> AnalysisLock:
    """Return the lock, once everything has proved to be as it says.

    With a store, where tables are kept as they were locked, the rows that changed are named.
    Raises IntegrityError naming the differences, SpecificationError when there is no lock yet,
    and OutputMissingError for a reference that was locked and is gone.
    """
    if _committed(selection) is None:
        raise SpecificationError(
            f"{selection.analysis.name} has no {LOCK} yet",
            place=str(selection.directory / LOCK),
            hint=selection.about("lock"),
        )
    now, changed = renew_lock(selection, store)
    if changed:
        raise IntegrityError(
            f"{selection.analysis.name} differs from its lock:{lines_of(changed)}",
            place=str(selection.directory / LOCK),
            hint=f"{selection.command('run', '--update-lock')}   # if the change is meant",
        )
    return now


def renew_lock(
    selection: Selection, store: Store | None = None
) -> tuple[AnalysisLock, list[Difference]]:
    """Return the lock as everything stands now, and what in it differs from the committed one.

    Writes nothing: the caller writes the lock once the change has proved to run. Raises
    OutputMissingError for a reference that was locked and is gone.
    """
    directory = selection.directory
    committed, now = _committed(selection), compute_lock(selection)
    if committed is None:
        return now, []
    if not now.reference and committed.reference:
        place = directory / selection.analysis.reference
        raise OutputMissingError(
            f"the reference of {selection.analysis.name} is missing",
            place=str(place),
            hint=restoring(
                place,
                otherwise=selection.command("bless", '--reason "…"   # a new reference'),
            ),
        )
    snapshots = snapshots_of(selection, selection.analysis.all_conditions)
    changed = [_with_rows(each, snapshots, store) for each in differences(committed, now)]
    return now, _with_packages(changed, selection)

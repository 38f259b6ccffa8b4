"""`reprun new`: from a file of events or histograms to an analysis that runs at once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reprun.authoring.rendering import render
from reprun.authoring.surveyed import Look, Wanted, look
from reprun.digests import adler32_file, sha256_file
from reprun.documents.analysis import DOCUMENT, load_analysis
from reprun.documents.manifest import Dataset, manifest_text
from reprun.documents.project import Project
from reprun.documents.reading import Name
from reprun.documents.selection import choose
from reprun.errors import SpecificationError, did_you_mean
from reprun.files import (
    make_directory,
    remove_tree,
    settle,
    storage_errors,
    sweep,
    temporary_directory,
)
from reprun.histograms.survey import Column, Survey
from reprun.runs.lock import compute_lock, write_lock
from reprun.wording import quoted

LARGEST_COPY = 1_000_000
"""Bytes of a file that is copied into the analysis; a larger one stays where it is."""
STYLES = {"CMS": ("CMS", "cms"), "ATLAS": ("ATLAS", "atlas"), "LHCB": ("LHCb2", "lhcb")}
"""By experiment: mplhep's style, and its module that writes the experiment's name."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for."""

    name: str
    source: Path
    directory: Path | None = None
    """Where the analysis's own directory is made; None for where the project has its analyses."""
    title: str | None = None
    experiment: str | None = None
    columns: tuple[str, ...] = ()
    tree: str | None = None
    record: str | None = None
    doi: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """What was made of it."""

    directory: Path
    target: str
    """What to type after `reprun run`."""
    files: tuple[str, ...]
    survey: Survey
    copied: bool
    """Whether the data lie in the analysis now."""


def new_analysis(request: Request, project: Project, look: Look = look) -> Created:
    """Write the directory of an analysis and its lock, all of it or nothing.

    Raises SpecificationError for a name that cannot be used or a file that holds nothing to
    start from, and StorageError where nothing can be written.
    """
    parent = request.directory.resolve() if request.directory else project.analyses
    directory = parent / _checked_name(request, project, parent)
    found = look(request.source, Wanted(columns=request.columns, tree=request.tree))
    target = request.name if parent == project.analyses else os.path.relpath(directory)
    with storage_errors(parent):
        make_directory(parent)
        sweep(parent)
        made = temporary_directory(parent, f".{request.name}.")
        try:
            copied = _write(made, request, found, target)
            lock_analysis(made, project)
            made.chmod(0o755)
            settle(made, directory)
        except BaseException:
            remove_tree(made)
            raise
    files = sorted(str(f.relative_to(directory)) for f in directory.rglob("*") if f.is_file())
    return Created(directory, target, tuple(files), found, copied)


def lock_analysis(directory: Path, project: Project) -> None:
    """Lock an analysis as it has just been written."""
    write_lock(compute_lock(choose(load_analysis(directory), directory, project)), directory)


def _checked_name(request: Request, project: Project, parent: Path) -> str:
    """Return the name if a directory may be called so and none is yet."""
    name = request.name
    again = f"--from {quoted(request.source)}"
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        better = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:LONGEST_NAME]
        raise SpecificationError(
            f"'{name}' cannot be the name of an analysis: it may have small letters, digits and "
            f"._- and starts with a letter or digit, {LONGEST_NAME} at most",
            hint=f"reprun new {better or 'mine'} {again}",
        ) from error
    if (parent / name / DOCUMENT).exists():
        number = next(n for n in range(2, 1000) if not (parent / f"{name}-{n}").exists())
        raise SpecificationError(
            f"there is an analysis '{name}' already",
            place=str(parent / name),
            hint=f"reprun new {name}-{number} {again}",
        )
    if (parent / name).exists():
        raise SpecificationError(
            f"{parent / name} exists already", hint=f"ls -la {quoted(parent / name)}"
        )
    if parent == project.analyses and name in project.analysis_names():
        raise SpecificationError(f"there is an analysis '{name}' already", hint="reprun list")
    return name


def _write(made: Path, request: Request, found: Survey, target: str) -> bool:
    """Write every file below `made`, analysis.yaml last; tell whether the data were copied."""
    source = request.source.resolve()
    dataset = "histograms" if found.kind == "histograms" else "events"
    path = f"data/{re.sub(r'[^A-Za-z0-9._-]+', '_', source.name).lstrip('.-') or 'data'}"
    if path == f"data/{dataset}.yaml":
        path = f"data/{dataset}.txt"
    manifest = _manifest(request, found, source, path)
    copied = not manifest.files[0].uris
    style, label = STYLES.get((request.experiment or "").upper(), ("ROOT", None))
    script = "rebin" if found.kind == "histograms" else "fill"
    facts: dict[str, Any] = {
        "name": request.name,
        "target": target,
        "title": _title(request),
        "experiment": request.experiment or "none",
        "source": source.name,
        "what": _what(found),
        "kind": found.kind,
        "tree": found.tree,
        "delimiter": found.delimiter,
        "columns": found.columns,
        "parts": [column for column in found.columns if len(column.path) > 1],
        "spectra": found.spectra,
        "cut": _first_cut(found.columns),
        "dataset": dataset,
        "path": path,
        "kept": copied,
        "uri": source.as_uri(),
        "licence": request.licence,
        "style": style,
        "label": label,
        "script": f"{script}.py",
    }
    wanted = {
        "README.md": "README.md.j2",
        ".gitignore": "gitignore.j2",
        f"code/{script}.py": f"code/{script}.py.j2",
        "code/plot.py": "code/plot.py.j2",
        "Snakefile": "Snakefile.j2",
        DOCUMENT: "analysis.yaml.j2",
    }
    texts = {name: render(f"analysis/{template}", facts) for name, template in wanted.items()}
    texts = {f"data/{dataset}.yaml": manifest_text(manifest, as_json=False), **texts}
    for name, text in texts.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
        if name.endswith(f"{dataset}.yaml") and copied:
            shutil.copyfile(source, made / path)
    return copied


def _manifest(request: Request, found: Survey, source: Path, path: str) -> Dataset:
    """Describe the file; a large one stays where it is, and its URI says where."""
    size = source.stat().st_size
    file: dict[str, Any] = {
        "path": path,
        "size": size,
        "sha256": sha256_file(source).removeprefix("sha256:"),
        "adler32": adler32_file(source),
    }
    if size > LARGEST_COPY:
        file["uris"] = [source.as_uri()]
    if found.kind in ("tree", "parquet"):
        file["events"] = found.entries
    return Dataset.model_validate(
        {
            "title": _title(request),
            "experiment": request.experiment,
            "record": request.record,
            "doi": request.doi,
            "licence": request.licence,
            "files": [file],
        }
    )


def _title(request: Request) -> str:
    return " ".join((request.title or f"A first look at {request.source.name}").split())


def _what(found: Survey) -> str:
    if found.kind == "histograms":
        return "Histograms"
    return f"Events of the tree {found.tree}" if found.kind == "tree" else "Events"


def _first_cut(columns: Sequence[Column]) -> Column | None:
    """Return a column whose range leaves something out, for the example of a selection."""
    measured = [each for each in columns if each.high - each.low != each.bins]
    return next(iter([*measured, *columns]), None)


def known_experiment(given: str) -> str:
    """Return an experiment as it is written; what is near none is taken as it stands."""
    known = ("ALICE", "ATLAS", "CMS", "LHCb")
    exact = {name.lower(): name for name in known}.get(given.strip().lower())
    if exact is None and did_you_mean(given.upper(), [name.upper() for name in known]):
        raise SpecificationError(
            f"--experiment {given}{did_you_mean(given.upper(), known)}",
            hint=f"reprun new NAME --from FILE --experiment {'|'.join(known)}",
        )
    return exact or given.strip()

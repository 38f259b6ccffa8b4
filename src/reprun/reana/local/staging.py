"""The workspace of a REANA project: what its inputs name, copied, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprun.errors import SpecificationError
from reprun.files import storage_errors
from reprun.reana.local.specification import Files, ReanaProject


@dataclass(frozen=True, slots=True)
class Staged:
    """The files of a workspace before anything ran, and what was not declared."""

    files: tuple[str, ...]
    notes: tuple[str, ...]


def declared_files(project: ReanaProject) -> list[str]:
    """Return the files that inputs name, those in directories one by one.

    Raises SpecificationError with the line of what does not exist or leads out of the project.
    """
    specification = project.specification
    found: dict[str, None] = {}
    for part, files in (("inputs", specification.inputs), ("workflow", specification.workflow)):
        found |= dict.fromkeys(_of(project, part, files))
    return list(found)


def _of(project: ReanaProject, part: str, files: Files) -> Iterator[str]:
    root = project.directory.resolve()
    for number, name in enumerate(files.files):
        path = project.directory / name
        if not path.is_file():
            raise SpecificationError(
                f"{part}.files names {name}, which is not a file of the project",
                place=project.place(part, "files", number),
            )
        yield name
    for number, name in enumerate(files.directories):
        path = project.directory / name
        if not path.is_dir():
            raise SpecificationError(
                f"{part}.directories names {name}, which is not a directory of the project",
                place=project.place(part, "directories", number),
            )
        for below in sorted(path.rglob("*")):
            if below.is_file():
                yield below.relative_to(project.directory).as_posix()
    for number, name in enumerate((*files.files, *files.directories)):
        if not (project.directory / name).resolve().is_relative_to(root):
            kind = "files" if number < len(files.files) else "directories"
            raise SpecificationError(
                f"{part}.{kind}: {name} is a link that leads out of the project",
                place=project.place(part, kind),
            )


def stage(project: ReanaProject, workspace: Path) -> Staged:
    """Make the workspace again from what the project declares."""
    names = declared_files(project)
    notes = []
    if project.type == "snakemake" and project.workflow_file not in names:
        names.append(project.workflow_file)
        notes.append(
            f"{project.workflow_file} is not among the inputs: it was taken along here, REANA 0.9 "
            "would not find it"
        )
    root = project.directory.resolve()
    with storage_errors(workspace):
        if workspace.exists():
            shutil.rmtree(workspace)
        workspace.mkdir(parents=True)
        for name in names:
            source = (project.directory / name).resolve()
            if not source.is_relative_to(root):
                raise SpecificationError(
                    f"{name} is a link that leads out of the project", place=str(project.path)
                )
            target = workspace / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        for name in project.specification.inputs.directories:
            (workspace / name).mkdir(parents=True, exist_ok=True)
    return Staged(tuple(names), tuple(notes))

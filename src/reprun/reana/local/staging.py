"""The workspace of a REANA project: what its inputs name, copied, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import PathSpec, Pattern

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.errors import SpecificationError
from reprun.files import storage_errors
from reprun.reana.local.specification import Files, ReanaProject
from reprun.wording import listed


@dataclass(frozen=True, slots=True)
class Staged:
    """The files of a workspace before anything ran, and what was not declared."""

    files: tuple[str, ...]
    notes: tuple[str, ...]


IGNORE_FILES = (".gitignore", ".reanaignore")


@dataclass(frozen=True, slots=True)
class Declared:
    """What the inputs of a project name, files in directories one by one."""

    files: tuple[str, ...]
    ignored: tuple[str, ...]
    """Those that reana-client would not upload, and so are not among the files."""

    @property
    def note(self) -> str | None:
        """What to say of the files that are left out; None where none is."""
        if not self.ignored:
            return None
        return (
            f"left out, as reana-client does by {' and '.join(IGNORE_FILES)}: "
            f"{listed(self.ignored)}"
        )


def declared_files(project: ReanaProject) -> Declared:
    """Return the files that inputs name.

    Of directories those are left out that patterns in the project's `.gitignore` and
    `.reanaignore` match, as by reana-client (`upload_to_server` in its `api/client.py`, 0.9).

    Raises SpecificationError with the line of what does not exist or leads out of the project.
    """
    specification = project.specification
    ignores = _ignores(project.directory)
    found: dict[str, None] = {}
    ignored: dict[str, None] = {}
    for part, files in (("inputs", specification.inputs), ("workflow", specification.workflow)):
        for name in _of(project, part, files):
            left_out = name not in files.files and any(one.match_file(name) for one in ignores)
            (ignored if left_out else found)[name] = None
    return Declared(tuple(found), tuple(name for name in ignored if name not in found))


def _ignores(directory: Path) -> list[PathSpec[Pattern]]:
    """Return the patterns of each file of them; reana-client reads none below the project's."""
    return [
        PathSpec.from_lines("gitignore", _lines(directory / name))
        for name in IGNORE_FILES
        if (directory / name).exists()
    ]


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, limits.YAML_BYTES).splitlines()
    except (OSError, UnicodeDecodeError, LimitError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecificationError(f"cannot read {path.name}: {reason}", place=str(path)) from error


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
    declared = declared_files(project)
    names = list(declared.files)
    notes = [declared.note] if declared.note else []
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

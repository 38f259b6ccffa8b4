"""`reprun init`: a project of one's own, with an analysis that runs and is reproduced."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from reprun.authoring.ci import CI_FILES, CiSystem, pipeline, write_pipeline
from reprun.authoring.new import Request, lock_analysis, new_analysis
from reprun.authoring.rendering import TEMPLATES, render
from reprun.documents.project import PROJECT_FILE, Project, read_project
from reprun.errors import SpecificationError
from reprun.files import (
    LONGEST_PREFIX,
    make_directory,
    remove_tree,
    settle,
    storage_errors,
    sweep,
    temporary_directory,
)
from reprun.wording import listed, quoted

EXAMPLE = "dimuon"


@dataclass(frozen=True, slots=True)
class Initialised:
    """What was made."""

    directory: Path
    files: tuple[str, ...]
    """Paths of all files, relative to the directory."""
    example: str
    """The name of the analysis that can be run at once."""


def init_project(directory: Path, ci: CiSystem | None = "github") -> Initialised:
    """Make a project in a directory that is new or empty, all of it or nothing.

    Raises SpecificationError for a directory that holds anything, and StorageError where nothing
    can be written.
    """
    target = directory.resolve()
    _refuse_occupied(target, directory)
    parent = target if target.exists() else target.parent
    with storage_errors(parent):
        make_directory(parent)
        sweep(parent)
        made = temporary_directory(parent, f".{target.name[:LONGEST_PREFIX]}.")
        try:
            _write(made, target.name, ci)
            files = sorted(str(f.relative_to(made)) for f in made.rglob("*") if f.is_file())
            _put_in_place(made, target)
        except BaseException:
            remove_tree(made)
            raise
    return Initialised(target, tuple(files), EXAMPLE)


def _refuse_occupied(target: Path, given: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise SpecificationError(
            f"{given} is a file, not a directory", place=str(target), hint=_elsewhere(target)
        )
    with storage_errors(target):
        names = sorted(path.name for path in target.iterdir())
    if PROJECT_FILE in names:
        raise SpecificationError(
            f"{given} is a project already: it has a {PROJECT_FILE}",
            place=str(target),
            hint=f"cd {quoted(given)} && reprun list",
        )
    if names:
        raise SpecificationError(
            f"{given} is not empty: it has {listed(names)}",
            place=str(target),
            hint=_elsewhere(target),
        )


def _elsewhere(target: Path) -> str:
    number = next(n for n in range(2, 1000) if not Path(f"{target}-{n}").exists())
    return f"reprun init {quoted(f'{target}-{number}')}"


def _write(made: Path, name: str, ci: CiSystem | None) -> None:
    """Write every file of the project."""
    for template, path in {"reprun.toml": PROJECT_FILE, "gitignore": ".gitignore"}.items():
        shutil.copyfile(TEMPLATES / "project" / template, made / path)
    if ci is not None:
        write_pipeline(pipeline(ci, made, made))
    facts = {"name": name, "example": EXAMPLE, "ci_file": ci and CI_FILES[ci]}
    (made / "README.md").write_text(render("project/README.md.j2", facts), encoding="utf-8")
    _write_example(read_project(made))


def _write_example(project: Project) -> None:
    """Write the example as `reprun new` does, and the reference it is known to give."""
    example = new_analysis(
        Request(
            EXAMPLE,
            TEMPLATES / "example" / "dimuon.csv",
            title="Pairs of muons in CMS open data of 2010",
            experiment="CMS",
            record="700",
            doi="10.7483/OPENDATA.CMS.CB8H.MFFA",
            licence="CC0-1.0",
        ),
        project,
    )
    shutil.copytree(TEMPLATES / "example" / "reference", example.directory / "reference")
    lock_analysis(example.directory, project)


def _put_in_place(made: Path, target: Path) -> None:
    """Let a finished project be the target; an empty directory stays the directory it is.

    It may be where the user is, or a mount of its own. The file that makes it a project is last.
    """
    if not target.exists():
        made.chmod(0o755)
        settle(made, target)
        return
    for path in sorted(made.iterdir(), key=lambda one: one.name == PROJECT_FILE):
        settle(path, target / path.name)
    made.rmdir()

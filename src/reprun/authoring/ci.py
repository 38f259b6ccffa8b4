"""`reprun ci init`: the pipeline that runs a project every night."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprun.authoring.rendering import render
from reprun.errors import SpecificationError
from reprun.files import make_directory, storage_errors, write_atomically
from reprun.wording import quoted

CiSystem = Literal["github", "gitlab"]
CI_FILES: Mapping[CiSystem, str] = {
    "github": ".github/workflows/reprun.yml",
    "gitlab": ".gitlab-ci.yml",
}
INCLUDED = ".gitlab/reprun.yml"
"""Where GitLab's pipeline goes in a repository that has one already."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, and where it goes."""

    system: CiSystem
    repository: Path
    """What the service clones: it looks for the file there."""
    path: str
    """Of the file, below the repository."""
    text: str

    @property
    def include(self) -> str | None:
        """What `.gitlab-ci.yml` has to say so that GitLab reads the file; None where it does."""
        if self.system == "github" or self.path == CI_FILES["gitlab"]:
            return None
        return f'include: {{local: "/{self.path}"}}'


def repository_of(project: Path) -> Path:
    """Return the clone that a project is in: the project itself where there is none."""
    return next((d for d in (project, *project.parents) if (d / ".git").exists()), project)


def pipeline(
    system: CiSystem, project: Path, repository: Path, path: str | None = None
) -> Pipeline:
    """Return the pipeline of a project in a repository.

    Raises SpecificationError for a file where the service does not look for one.
    """
    place = path or CI_FILES[system]
    _refuse_unread(system, place)
    directory = project.relative_to(repository).as_posix()
    below = "" if directory == "." else directory
    prefix = f"{below}/" if below else ""
    # An expression of GitHub has a quote doubled.
    facts = {"directory": below, "prefix": prefix, "expression": prefix.replace("'", "''")}
    return Pipeline(system, repository, place, render(f"ci/{system}.yml.j2", facts))


def _refuse_unread(system: CiSystem, path: str) -> None:
    given = Path(path)
    inside = not given.is_absolute() and ".." not in given.parts
    read = given.suffix in (".yml", ".yaml") and (
        system == "gitlab" or given.parent == Path(CI_FILES["github"]).parent
    )
    if not (inside and read):
        where = (
            "below .github/workflows/, with the ending .yml"
            if system == "github"
            else "in the repository, with the ending .yml"
        )
        raise SpecificationError(
            f"the service does not read {path}: its files are {where}",
            hint=f"reprun ci init {system} --output {_another(system)}",
        )


def _another(system: CiSystem) -> str:
    return ".github/workflows/reprun-matrix.yml" if system == "github" else INCLUDED


def write_pipeline(made: Pipeline, *, force: bool = False) -> None:
    """Write a pipeline.

    Raises SpecificationError where a file is there already, unless `force`, and StorageError where
    it cannot be written.
    """
    place = made.repository / made.path
    if os.path.lexists(place) and not force:
        raise SpecificationError(
            f"{made.path} is there already", place=str(place), hint=_beside(made)
        )
    with storage_errors(place):
        make_directory(place.parent)
        write_atomically(place, made.text.encode())


def _beside(made: Pipeline) -> str:
    another = _another(made.system)
    if os.path.lexists(made.repository / another):
        return f"reprun ci init {made.system} --output {quoted(made.path)} --force"
    return f"reprun ci init {made.system} --output {another}   # or --force, to replace it"

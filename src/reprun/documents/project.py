"""The project: a directory with `reprun.toml`, in which a user's analyses and images are found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool

from reprun.documents.reading import PROJECT, Document, Lines, read_toml, validated
from reprun.errors import SpecificationError, did_you_mean

PROJECT_FILE = PROJECT
ANALYSES = "analyses"
RESULTS = "results"
RESULTS_VARIABLE = "REPRUN_RESULTS"
SCHEMA_VERSION = 1


def _in_project(path: str) -> str:
    """Return a path; raise ValueError when it leads out of the project."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"must be a directory inside the project, not {path}")
    return path


class ProjectFile(Document):
    """What marks a directory as a project, and says where in it things are."""

    schema_version: Literal[1]
    """The version of this format."""
    analyses: Annotated[str, Field(min_length=1), AfterValidator(_in_project)] = ANALYSES
    """The directory whose sub-directories are analyses, relative to this file."""
    packaged_images: StrictBool = True
    """Whether analyses may name the images that come with reprun, beside those in `images/`."""


@dataclass(frozen=True, slots=True)
class Project:
    """A directory of analyses by name, with images of its own in `images/`."""

    root: Path
    analyses_in: str = ANALYSES
    """The directory of the analyses, relative to the root."""
    packaged_images: bool = True
    """Whether the images that come with reprun can be named beside the project's own."""

    @property
    def images(self) -> Path:
        """The project's own images; the directory need not exist."""
        return self.root / "images"

    @property
    def analyses(self) -> Path:
        """The directory whose sub-directories are analyses."""
        return self.root / self.analyses_in

    @property
    def results(self) -> Path:
        """Where runs are kept unless --results names another directory."""
        return results_below(self.root)

    @classmethod
    def look_up(cls, start: Path | None = None) -> Project | None:
        """Return the project of `REPRUN_PROJECT`, else the nearest upwards of `start`, or None.

        Raises SpecificationError when REPRUN_PROJECT names no project, or reprun.toml is wrong.
        """
        if named := os.environ.get("REPRUN_PROJECT"):
            root = Path(named).expanduser().resolve()
            if not (root / PROJECT_FILE).is_file():
                raise SpecificationError(
                    f"REPRUN_PROJECT names {root}, which has no {PROJECT_FILE}",
                    hint="unset REPRUN_PROJECT",
                )
            return read_project(root)
        here = _start(start)
        for candidate in (here, *here.parents):
            if (candidate / PROJECT_FILE).is_file():
                return read_project(candidate)
        return None

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project as `look_up` finds it; raise SpecificationError if there is none."""
        found = cls.look_up(start)
        if found is None:
            raise SpecificationError(
                f"no reprun project here: neither {_start(start)} nor a directory above it has a "
                f"{PROJECT_FILE}, and REPRUN_PROJECT is not set",
                hint="reprun init my-analyses",
            )
        return found

    def analysis_names(self) -> list[str]:
        """Return the names of all analyses, sorted."""
        return sorted(path.parent.name for path in self.analyses.glob("*/analysis.yaml"))

    def analysis_directory(self, name_or_path: str) -> Path:
        """Return the directory of an analysis given by name or by path.

        Raises SpecificationError that names the nearest analysis.
        """
        given = Path(name_or_path).expanduser()
        if given.name == "analysis.yaml" and given.is_file():
            return given.parent.resolve()
        if (given / "analysis.yaml").is_file():
            return given.resolve()
        named = self.analyses / name_or_path
        if "/" not in name_or_path and (named / "analysis.yaml").is_file():
            return named
        if "/" in name_or_path or given.exists():
            raise SpecificationError(
                f"{name_or_path} is not an analysis: it has no analysis.yaml",
                hint="reprun list",
            )
        raise SpecificationError(
            f"there is no analysis '{name_or_path}'"
            + did_you_mean(name_or_path, self.analysis_names()),
            hint="reprun list",
        )


def results_below(directory: Path) -> Path:
    """Return the directory of `REPRUN_RESULTS`, else `results` in a directory."""
    named = os.environ.get(RESULTS_VARIABLE)
    return Path(named).expanduser() if named else directory / RESULTS


def read_project(root: Path) -> Project:
    """Read the project file of a directory.

    Raises SpecificationError with the line of each fault.
    """
    place = root / PROJECT_FILE
    document, lines = read_toml(place)
    _refuse_other_versions(document, place, lines)
    read = validated(ProjectFile, document, place, lines)
    return Project(root, read.analyses, read.packaged_images)


def _refuse_other_versions(document: Mapping[str, Any], place: Path, lines: Lines) -> None:
    """Refuse a file of another version before its fields, which may all be right there."""
    version = document.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        raise SpecificationError(
            f"schema_version is {version!r}; this version of reprun reads {SCHEMA_VERSION}",
            place=f"{place}:{lines.get(('schema_version',), 1)}",
            hint="pip install --upgrade reprun",
        )


def _start(start: Path | None) -> Path:
    return (start or Path.cwd()).resolve()

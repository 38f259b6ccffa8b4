"""Where analyses and images are found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reprun.errors import SpecificationError, did_you_mean


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with `images/` (the catalogue) and `examples/` (analyses by name)."""

    root: Path

    @property
    def images(self) -> Path:
        """The image catalogue."""
        return self.root / "images"

    @property
    def analyses(self) -> Path:
        """The directory whose sub-directories are analyses."""
        return self.root / "examples"

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project: `REPRUN_PROJECT`, else upwards of `start`, else the source tree."""
        if named := os.environ.get("REPRUN_PROJECT"):
            root = Path(named).expanduser().resolve()
            if not (root / "images").is_dir():
                raise SpecificationError(
                    f"REPRUN_PROJECT names {root}, which has no images/ directory",
                    hint="unset REPRUN_PROJECT",
                )
            return cls(root)
        here = (start or Path.cwd()).resolve()
        source_tree = Path(__file__).resolve().parents[2]
        for candidate in (here, *here.parents, source_tree):
            if (candidate / "images").is_dir() and (candidate / "examples").is_dir():
                return cls(candidate)
        raise SpecificationError(
            "no reprun project here: neither this directory nor one above it "
            "has images/ and examples/",
            hint="export REPRUN_PROJECT=DIRECTORY   # the clone of reprun",
        )

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
            f"there is no analysis '{name_or_path}'."
            + did_you_mean(name_or_path, self.analysis_names()),
            hint="reprun list",
        )

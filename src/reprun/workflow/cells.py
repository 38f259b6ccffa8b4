"""Several workflows in one Snakemake: what each is called and where it lies.

Snakemake loads each cell's Snakefile as a module, with its rules renamed and its paths below
the cell's workspace. The executor takes both away again, so that a step sees the same command
and the same workspace as when its analysis runs alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from reprun.documents.reading import Document
from reprun.errors import SpecificationError


class CellWorkflow(Document):
    """One cell as the top-level Snakefile and the executor know it."""

    name: str
    """Short and without `_`: its rules are called `<name>_<rule>`. Empty for the only one."""
    prefix: str
    """The workspace, relative to Snakemake's directory; empty where it is that directory."""
    snakefile: Path
    config: Mapping[str, Any]
    targets: Sequence[str]
    images: Sequence[Path]
    """The directories of the catalogue in which its images are locked."""
    logs: Path
    mounts: Sequence[tuple[Path, str]] = ()
    network: bool = False

    def own_rule(self, rule: str) -> str:
        """Return a rule's name as the cell's own Snakefile has it."""
        return rule.removeprefix(f"{self.name}_") if self.name else rule

    def own_path(self, path: str) -> str:
        """Return a path as the cell's own Snakefile has it.

        Raises SpecificationError for one that Snakemake did not move below the workspace (`..`,
        absolute, `local()`): such an analysis can run alone only.
        """
        if not self.prefix:
            return path
        if not path.startswith(f"{self.prefix}/"):
            raise SpecificationError(
                f"'{path}' is not in the workspace; write a path relative to the Snakefile"
            )
        return path.removeprefix(f"{self.prefix}/")

    def own_text(self, text: str) -> str:
        """Return a command as the cell's own Snakefile gives it."""
        return text.replace(f"{self.prefix}/", "") if self.prefix else text


_LIST = TypeAdapter(tuple[CellWorkflow, ...])


def write_cells(cells: Sequence[CellWorkflow], path: Path) -> None:
    """Write the cells for the top-level Snakefile and the executor."""
    path.write_bytes(_LIST.dump_json(tuple(cells), indent=1))


def read_cells(path: Path) -> tuple[CellWorkflow, ...]:
    """Read the cells back."""
    return _LIST.validate_json(path.read_bytes())

"""The plan of a workflow, kept beside its runs: what a later one is held to.

Where steps have already written in a workspace, what Snakemake plans there is not evidence: a
step may have left what changes it. So the plan is that of the last run of the same code, or is
made in a workspace that holds the code alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.reading import Document
from reprun.engines.confinement import Confinement
from reprun.errors import MissingFilesError
from reprun.files import write_atomically
from reprun.runs.cell import Cell
from reprun.runs.undeclared import with_undeclared
from reprun.workflow.driver import snakemake_version
from reprun.workflow.planned import WorkflowPlan
from reprun.workflow.planning import plan_given
from reprun.workflow.workspace import Given

FILE = "plan.json"


class KeptPlan(Document):
    """The whole of `plan.json`."""

    schema_version: Literal[2] = 2
    planned_from: str
    """Digest of all that decides the plan."""
    plan: WorkflowPlan


def keep_plan(cell: Cell, cores: int, plan: WorkflowPlan) -> None:
    """Keep the plan of a run that has finished."""
    kept = KeptPlan(planned_from=_digest(cell, cores), plan=plan)
    write_atomically(cell.run_directory / FILE, kept.model_dump_json().encode())


def kept_plan(cell: Cell, given: Given, cores: int, confined: Confinement) -> WorkflowPlan:
    """Return the plan of a cell whose inputs are staged: the kept one, or a new one.

    Raises what `plan_given` raises.
    """
    try:
        text = read_text(cell.run_directory / FILE, limits.WRITTEN_BYTES)
        kept = KeptPlan.model_validate_json(text)
    except (OSError, UnicodeDecodeError, LimitError, ValidationError):
        kept = None
    if kept is not None and kept.planned_from == _digest(cell, cores):
        return kept.plan
    selection = cell.selection
    try:
        return plan_given(
            selection.directory,
            given,
            selection.snakefile,
            cell.plan.config,
            cell.plan.targets,
            confined,
            cores=cores,
        )
    except MissingFilesError as error:
        raise with_undeclared(error, selection, given.digests) from error


def _digest(cell: Cell, cores: int) -> str:
    parts = [
        dict(cell.lock.code),
        dict(cell.plan.config),
        list(cell.plan.targets),
        {name: dict(files) for name, files in cell.plan.inputs.datasets.items()},
        cores,
        snakemake_version(),
    ]
    return sha256_bytes(canonical_json(parts))

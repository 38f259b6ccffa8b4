"""What a run would do, container by container, with nothing run and nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprun.conditions.mounts import mounts_of
from reprun.engines.base import MIB, ContainerJob, Mount, environment_of
from reprun.engines.confinement import Confinement
from reprun.errors import SpecificationError
from reprun.images.model import Image
from reprun.runs.cell import Cell, load_planned_cell
from reprun.runs.request import RunRequest
from reprun.runs.undeclared import with_undeclared
from reprun.workflow.planned import PlannedStep, refusal
from reprun.workflow.planning import plan_steps
from reprun.workflow.steps import container_of, step_of, written_by
from reprun.workflow.workspace import Given


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step and the container it would run in; None where a run would refuse it."""

    step: PlannedStep
    image: Image | None
    container: ContainerJob | None
    fault: str | None
    """Why a run would refuse it."""


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """A cell and its steps, in an order in which they can run."""

    cell: Cell
    steps: tuple[StepPlan, ...]


def plan_analysis(request: RunRequest, confined: Confinement) -> AnalysisPlan:
    """Return what `reprun run` would do from nothing.

    Neither data nor images need be here, and the analysis need not agree with its lock. Raises
    SpecificationError where analysis.yaml or the Snakefile is at fault.
    """
    cell = load_planned_cell(request)
    try:
        plan = plan_steps(
            cell.selection.directory,
            cell.selection.snakefile,
            cell.lock.code,
            cell.data_paths,
            cell.plan.config,
            cell.plan.targets,
            confined,
        )
    except SpecificationError as error:
        raise with_undeclared(error, cell.selection, {*cell.lock.code, *cell.data_paths}) from error
    return AnalysisPlan(cell, tuple(_step(cell, step) for step in plan.steps))


def _step(cell: Cell, step: PlannedStep) -> StepPlan:
    named = {image.reference: image for image in cell.images.values()}
    image = named.get((step.container or "").removeprefix("docker://"))
    if image is None and step.container:
        try:
            image = cell.catalogue.by_reference(step.container.removeprefix("docker://"))
        except SpecificationError as error:
            return StepPlan(step, None, None, refusal(step) or error.message)
    if image is None or refusal(step) is not None:
        return StepPlan(step, image, None, refusal(step))
    conditions = mounts_of(cell.snapshots, cell.run_directory)
    given = Given(cell.inputs, dict.fromkeys((*cell.lock.code, *cell.data_paths), ""))
    planned = step_of(step, image, 0)
    made = given.viewed(step.inputs, written_by(planned))
    container = container_of(
        planned,
        cell.workspace,
        given,
        [Mount(one.source, one.target) for one in conditions],
        [(cell.workspace / path, path) for path in made],
        network=cell.network,
    )
    return StepPlan(step, image, container, None)


def plan_document(plan: AnalysisPlan) -> Mapping[str, Any]:
    """Return the plan as JSON has it."""
    cell = plan.cell
    return {
        "analysis": cell.selection.analysis.name,
        "variant": cell.selection.variant,
        "dataset": cell.selection.dataset,
        "tier": cell.selection.tier.name if cell.selection.tier else None,
        "snakefile": str(cell.selection.directory / cell.selection.snakefile),
        "images": {entry: image.reference for entry, image in cell.images.items()},
        "outputs": list(cell.plan.targets),
        "steps": [_step_document(one) for one in plan.steps],
    }


def _step_document(one: StepPlan) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "rule": one.step.rule,
        "wildcards": dict(one.step.wildcards),
        "command": one.step.command,
        "image": one.image.reference if one.image else one.step.container,
        "inputs": list(one.step.inputs),
        "outputs": list(one.step.outputs),
        "fault": one.fault,
    }
    if one.container is not None:
        limits = one.container.limits
        document |= {
            "mounts": [
                {"source": str(m.source), "target": m.target, "read_only": m.read_only}
                for m in one.container.mounts
            ],
            "environment": environment_of(one.container),
            "network": one.container.network,
            "cpus": limits.cpus,
            "memory_mb": limits.memory_bytes // MIB,
            "minutes": None if limits.seconds is None else limits.seconds / 60,
        }
    return document

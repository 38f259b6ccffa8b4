"""Specification and lock turned into what a backend runs. Pure: reads no file, starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reprun.digests import canonical_json
from reprun.documents.reading import Scalar
from reprun.documents.record import Inputs, RunRecord
from reprun.documents.selection import Selection
from reprun.errors import SpecificationError, did_you_mean
from reprun.images.model import Image
from reprun.runs.lock import AnalysisLock
from reprun.wording import listed
from reprun.workflow.rerun import Everything, Nothing, Rerun, Rules, Steps


@dataclass(frozen=True, slots=True)
class Plan:
    """What a selection comes to, once its images and its lock are known."""

    selection: Selection
    config: Mapping[str, Scalar]
    """Snakemake's configuration: the parameters, the image by digest, the dataset's name."""
    targets: tuple[str, ...]
    inputs: Inputs

    def with_images(self, images: Mapping[str, Image]) -> Plan:
        """Return the plan with other images, each by its entry in the configuration."""
        return replace(
            self,
            config={**self.config, **_references(images)},
            inputs=self.inputs.model_copy(update={"images": _identities(images)}),
        )


def _references(images: Mapping[str, Image]) -> dict[str, str]:
    return {entry: image.reference for entry, image in images.items()}


def _identities(images: Mapping[str, Image]) -> dict[str, str]:
    return {image.name: image.image_id for image in images.values()}


def make_plan(
    selection: Selection,
    lock: AnalysisLock,
    images: Mapping[str, Image],
    parameters: Mapping[str, Scalar] | None = None,
) -> Plan:
    """Return the plan; a parameter on the command line wins over the variant's, that over the
    analysis's own. `images` holds each image by its entry in the configuration.

    Raises SpecificationError for a parameter that analysis.yaml does not declare.
    """
    analysis, dataset = selection.analysis, selection.dataset
    declared = selection.parameters
    for name in parameters or {}:
        if name not in declared:
            raise SpecificationError(
                f"{analysis.name} has no parameter '{name}'{did_you_mean(name, declared)}",
                hint=f"{selection.about('show')}   # parameters are declared in analysis.yaml",
            )
    merged: dict[str, Scalar] = {**declared, **(parameters or {})}
    if selection.tier is not None:
        # A tier names a reference of its own: no other number of events may pass for it.
        merged[selection.tier.parameter] = selection.tier.value
    config: dict[str, Scalar] = dict(merged)
    config |= _references(images)
    data: Mapping[str, Mapping[str, str]] = {}
    if dataset is not None:
        config["dataset"] = dataset
        data = {dataset: lock.datasets[dataset]}
    return Plan(
        selection=selection,
        config=config,
        targets=analysis.outputs.all,
        inputs=Inputs(
            images=_identities(images),
            datasets=data,
            conditions={name: lock.conditions[name].files for name in selection.conditions},
            code=lock.code,
            parameters=merged,
            outputs=analysis.outputs.all,
        ),
    )


def what_to_run(plan: Plan, last: RunRecord | None, outputs_now: Mapping[str, str | None]) -> Rerun:
    """Decide by content alone what has to run again.

    `outputs_now` gives for each output of the last record its digest now, None if it is gone.
    Snakemake re-runs by itself what depends on changed inputs that a rule declares; whatever
    it cannot see (the image, a parameter, an undeclared file) forces every step.
    """
    if last is None:
        # Whatever lies in the workspace, nobody knows what it was made from.
        return Everything("it has not run here yet")
    changed = changed_inputs(last.inputs, plan.inputs)
    if last.status != "finished":
        return _after(changed, last, f"the last run was {last.status}")
    if changed:
        return _after(changed, last, f"{listed(changed)} changed")
    touched = [path for path, digest in last.outputs.items() if outputs_now.get(path) != digest]
    if not touched:
        return Nothing("nothing changed")
    reason = f"the output {listed(sorted(touched))} is gone or was edited"
    if not {path for step in last.steps for path in step.outputs}.issuperset(touched):
        return Everything(reason)
    rules = {step.rule for step in last.steps if set(step.outputs) & set(touched)}
    return Rules(reason, tuple(sorted(rules)))


def _after(changed: Sequence[str], last: RunRecord, reason: str) -> Steps:
    """Return what a change runs again: only what steps declared tells which of them it concerns.

    Snakemake goes by times, and takes a result for up to date whose intermediate files are gone:
    the steps that read what changed, and those that failed, are named to it.
    """
    steps = {step.key: step for step in last.steps}.values()
    if not {path for step in steps for path in step.inputs}.issuperset(changed):
        return Everything(reason)
    again = {
        step.rule
        for step in steps
        if not step.succeeded or not set(changed).isdisjoint(step.inputs)
    }
    return Rules(reason, tuple(sorted(again)))


def changed_inputs(before: Inputs, now: Inputs) -> list[str]:
    """Return the names of what differs: paths of files, or a word for what is not a file."""
    names: list[str] = []
    if before.images != now.images:
        names.append("the image")
    # As JSON, where 1, 1.0 and true are three values, as they are for the Snakefile.
    if canonical_json(dict(before.parameters)) != canonical_json(dict(now.parameters)):
        names.append("a parameter")
    snapshots = sorted(before.conditions.keys() | now.conditions.keys())
    names += [
        f"the conditions {name}"
        for name in snapshots
        if before.conditions.get(name) != now.conditions.get(name)
    ]
    if before.outputs != now.outputs:
        names.append("the list of outputs")
    for old, new in ((before.code, now.code), *_paired(before.datasets, now.datasets)):
        names += sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return names


def _paired(
    before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]
) -> list[tuple[Mapping[str, str], Mapping[str, str]]]:
    return [
        (before.get(name, {}), now.get(name, {})) for name in sorted(before.keys() | now.keys())
    ]

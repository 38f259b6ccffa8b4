"""From the last run to the reference: what `reprun bless` does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reprun.documents.analysis import Analysis, Tier, load_analysis
from reprun.documents.record import RunRecord, read_record
from reprun.errors import SpecificationError
from reprun.histograms import read_all
from reprun.images.catalogue.catalogue import Catalogue
from reprun.project import Project
from reprun.runs.directory import run_directory_of
from reprun.runs.lock import compute_lock, write_lock
from reprun.runs.reference import bless


def bless_last_run(
    name: str,
    variant: str | None,
    dataset: str | None,
    tier: Tier | None,
    results: Path,
    *,
    reason: str,
    author: str,
) -> list[str]:
    """Write the last run's objects as reference and lock them; return the paths written.

    Raises SpecificationError when there is no finished run, or none with the parameters of
    analysis.yaml, or no reason or author.
    """
    project = Project.find()
    directory = project.analysis_directory(name)
    analysis = load_analysis(directory)
    run_directory = run_directory_of(analysis, variant, dataset, tier, results)
    record = read_record(run_directory)
    if record is None or record.status != "finished":
        state = "has not run here" if record is None else f"{record.status} in its last run"
        raise SpecificationError(
            f"{analysis.name} {state}; only a finished run can be blessed",
            place=str(run_directory),
            hint=f"reprun run {analysis.name}",
        )
    _refuse_other_parameters(analysis, record, tier)
    if not reason.strip():
        raise SpecificationError(
            "a reference needs a reason", hint=f'reprun bless {name} --reason "…"'
        )
    who = author.strip() or _git_user()
    if not who:
        raise SpecificationError(
            "a reference needs an author", hint=f'reprun bless {name} --author "…" --reason "…"'
        )
    outputs = analysis.outputs
    workspace = run_directory / "workspace"
    objects = read_all(
        [workspace / path for path in (*outputs.histograms, *outputs.tables)], workspace
    )
    reference = directory / analysis.reference_of(record.dataset, tier)
    written = bless(reference, objects, record, reason=reason.strip(), author=who)
    write_lock(compute_lock(analysis, directory, Catalogue(project.images)), directory)
    return [str(reference / file) for file in written]


def _refuse_other_parameters(analysis: Analysis, record: RunRecord, tier: Tier | None) -> None:
    """Refuse a run with `-p`: no plain run would repeat it, and of seeds none would need to."""
    _, variant = analysis.variant(record.variant)
    declared = {**analysis.parameters, **variant.parameters}
    if tier is not None:
        declared[tier.parameter] = tier.value
    ran = record.inputs.parameters
    for name, value in declared.items():
        if name in ran and ran[name] != value:
            raise SpecificationError(
                f"the last run of {analysis.name} had {name}={ran[name]}, analysis.yaml says "
                f"{value}: a reference is what a run without -p repeats",
                hint=f"reprun run {analysis.name}{f' {tier.option}' if tier else ''}"
                f"   # or write {name}: {ran[name]} into analysis.yaml",
            )


def _git_user() -> str:
    try:
        said = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()

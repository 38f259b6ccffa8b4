"""How a cell stands today: the verdict that its last run sealed, and whether that still holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from reprun.documents.analysis import load_analysis
from reprun.documents.project import Project
from reprun.documents.record import EVALUATED_BY
from reprun.documents.selection import Selection, select
from reprun.errors import ReprunError
from reprun.history import rows
from reprun.history.database import FILE, Database, looked_into
from reprun.history.evidence import Evidence, evidence_in
from reprun.report.badge import Standing
from reprun.report.marks import State
from reprun.report.model import Report
from reprun.runs.cell import load_planned_cell
from reprun.runs.plan import changed_inputs
from reprun.runs.request import RunRequest
from reprun.wording import count_of, listed

STATES: dict[str, State] = {"not run": "not run", "nothing to compare": "no reference"}
"""What a row of the history without a verdict is shown as; any other has failed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """From where, and until when, a verdict counts."""

    now: dt.datetime
    most: dt.timedelta | None = None
    """The greatest age of a verdict that says something of today; None for any."""
    results: Path | None = None
    """The directory of results that the user named."""


def standings_of_all(project: Project, asked: Asked) -> list[Standing]:
    """Return how every cell of a project stands; an analysis that cannot be read has failed."""
    found: list[Standing] = []
    for name in project.analysis_names():
        try:
            found += standings(project, name, asked)
        except ReprunError as error:
            found.append(Standing(name, "", "failed", why=error.message))
    return found


def standings(
    project: Project, called: str, asked: Asked, variant: str | None = None
) -> list[Standing]:
    """Return how the variants of an analysis stand, or one of them, on the default dataset.

    A variant that may be left out, and never
    ran, is left out, unless it is the one that was asked for or there is no other. Raises
    SpecificationError as `select` does.
    """
    analysis = load_analysis(project.analysis_directory(called))
    names = [variant] if variant else list(analysis.variants)
    chosen = [select(project, called, variant=name, results=asked.results) for name in names]
    with looked_into((asked.results or project.results) / FILE) as history:
        found = [(one, _standing(one, history, asked)) for one in chosen]
    kept = [
        standing
        for selection, standing in found
        if standing.state != "not run" or not selection.chosen.optional or variant
    ]
    return kept or [standing for _, standing in found]


def _standing(selection: Selection, history: Database | None, asked: Asked) -> Standing:
    bare = Standing(selection.analysis.name, selection.variant, "not run")
    evidence = evidence_in(selection.run_directory)
    last = _last_night(selection, history)
    if (
        last is not None
        and last.verdict is None
        and (evidence is None or last.at > evidence.record.finished)
    ):
        state = STATES.get(last.state, "failed")
        return replace(bare, state=state, on=last.day, why=last.sentence or None)
    if evidence is None:
        return bare
    on = f"{evidence.record.finished:%Y-%m-%d}"
    if evidence.record.status != "finished":
        return replace(bare, state="failed", on=on, why=f"the run was {evidence.record.status}")
    try:
        report = evidence.judged()
    except ValidationError:
        report = None
    if report is None:
        unsealed = "there is no report as the run sealed it"
        return replace(bare, state="no reference", on=on, why=unsealed)
    stale, why = _stale(selection, evidence, report, asked)
    return replace(bare, state=report.status, on=on, stale=stale, why=why)


def _last_night(selection: Selection, history: Database | None) -> rows.Night | None:
    if history is None:
        return None
    tier = selection.tier.name if selection.tier else ""
    wanted = (selection.variant, selection.dataset or "", tier)
    for cell in rows.cells(history, selection.analysis.name):
        if (cell.variant, cell.dataset, cell.tier) == wanted:
            return max(rows.nights(history, cell), key=lambda night: night.at, default=None)
    return None


def _stale(
    selection: Selection, evidence: Evidence, report: Report, asked: Asked
) -> tuple[str | None, str | None]:
    """Return why a verdict says nothing of today, in few words, and what changed since."""
    try:
        cell = load_planned_cell(RunRequest(selection))
        changed = changed_inputs(evidence.record.inputs, cell.plan.inputs)
        judged_by = cell.evaluated_by()
    except ReprunError as error:
        return "inputs not readable", error.message
    if changed:
        return "inputs changed since", listed(changed)
    if report.provenance.get(EVALUATED_BY) != judged_by:
        return "comparison changed since", "the reference, its rules or reprun"
    if asked.most is not None and asked.now - evidence.record.finished > asked.most:
        return f"more than {count_of(asked.most.days, 'day')} ago", None
    return None, None

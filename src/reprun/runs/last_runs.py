"""What the last run of each variant left behind."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from reprun.documents.analysis import Analysis, load_analysis
from reprun.documents.project import Project
from reprun.documents.reading import UPGRADE, State, state_of
from reprun.documents.record import RECORD, REPORT_JSON, RunRecord, changed_reports, read_record
from reprun.errors import OutputMissingError, ReprunError, unforeseen
from reprun.report.model import Report, read_report


@dataclass(frozen=True, slots=True)
class LastRun:
    """What came of a variant's last run here."""

    verdict: str
    cell: str
    """Its directory below results/<analysis>; empty where it did not run."""
    tier: str | None = None
    finished: dt.datetime | None = None

    @property
    def brief(self) -> str:
        """The verdict, and the part of the events that it holds for."""
        return f"{self.verdict} ({self.tier})" if self.tier else self.verdict

    def __str__(self) -> str:
        """Return the verdict with the cell that it is of."""
        return f"{self.verdict} ({self.cell})" if self.cell else self.verdict


def last_runs(analysis: Analysis, results: Path) -> dict[str, LastRun]:
    """Return what came of the last run here of each variant, on whichever data."""
    found = {name: LastRun("not run here", "") for name in analysis.variants}
    for path in sorted((results / analysis.name).glob(f"*/{RECORD}")):
        variant, last = _last_run(analysis, path)
        if variant in found and str(last.finished) > str(found[variant].finished or ""):
            found[variant] = last
    return found


def _last_run(analysis: Analysis, path: Path) -> tuple[str, LastRun]:
    """Return which variant a record is of, and what came of the run."""
    cell = path.parent.name
    record = read_record(path.parent)
    if record is None:
        named = [name for name in analysis.variants if f"{cell}.".startswith(f"{name}.")]
        when = dt.datetime.fromtimestamp(path.lstat().st_mtime, dt.UTC)
        verdict = _unread(state_of(RunRecord, path), path)
        return max(named, key=len, default=""), LastRun(verdict, cell, finished=when)
    verdict = _verdict(record, path.parent) if record.status == "finished" else record.status
    return record.variant, LastRun(verdict, cell, record.tier, record.finished)


def _verdict(record: RunRecord, run_directory: Path) -> str:
    path = run_directory / REPORT_JSON
    if REPORT_JSON in changed_reports(record, run_directory):
        return _remedied(f"{REPORT_JSON} was changed after the run", path)
    try:
        return read_report(path).status
    except OutputMissingError:
        # What was deleted or never made is no damage: the next run compares again.
        return _unread(state_of(Report, path), path) if os.path.lexists(path) else "no reference"


def _unread(state: State, path: Path) -> str:
    match state:
        case "damaged":
            return _remedied(f"{path.name} is damaged", path)
        case "older":
            return f"{path.name} was written by an older reprun: run again"
        case "newer":
            return f"{path.name} was written by a newer reprun: {UPGRADE}, or run again"
        case _:
            assert_never(state)


def _remedied(fault: str, path: Path) -> str:
    return f"{fault}: rm {shlex.quote(os.path.relpath(path))} and run again"


def listed(project: Project, results: Path) -> list[dict[str, Any]]:
    """Return one row for each analysis: name, title, experiment, variants, last verdicts.

    `verdict` is that of the last run of all, `verdicts` has one for each variant.
    """
    rows: list[dict[str, Any]] = []
    for name in project.analysis_names():
        try:
            analysis = load_analysis(project.analyses / name)
            runs = last_runs(analysis, results)
        except ReprunError as error:
            rows.append({"name": name, "title": error.message, "verdict": "cannot be read"})
            continue
        except Exception as error:  # noqa: BLE001 - it hides no other analysis
            told = unforeseen(error, hint="")
            rows.append({"name": name, "title": told.message, "verdict": "cannot be read"})
            continue
        ran = [run for run in runs.values() if run.finished is not None]
        last = max(ran, key=lambda run: str(run.finished), default=LastRun("not run here", ""))
        rows.append(
            {
                "name": name,
                "title": analysis.title,
                "experiment": analysis.experiment,
                "level": analysis.dphep_level,
                "variants": ", ".join(analysis.variants),
                "datasets": ", ".join(analysis.datasets),
                "verdict": str(last),
                "verdicts": {variant: run.brief for variant, run in runs.items()},
            }
        )
    return rows


def analysis_document(analysis: Analysis, directory: Path, results: Path) -> dict[str, Any]:
    """Return an analysis as JSON has it: analysis.yaml with its manifests, and its verdicts."""
    runs = last_runs(analysis, results)
    return {
        **dict.fromkeys(Analysis.model_fields.keys() - {"schema_version"}),
        **analysis.model_dump(mode="json", exclude_none=True, exclude={"schema_version"}),
        "directory": str(directory),
        "verdicts": {variant: run.brief for variant, run in runs.items()},
    }

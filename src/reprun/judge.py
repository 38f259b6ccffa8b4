"""The outputs of a run held against the reference: one report, written as JSON and HTML."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from reprun.compare import compare
from reprun.digests import sha256_file
from reprun.histograms import Table, read_all
from reprun.record import JUDGED_BY, REPORT_HTML, REPORT_JSON, RunRecord
from reprun.reference import causes, load_reference, read_blessing
from reprun.report import (
    build_report,
    read_pictures,
    render_html,
    report_json,
    table_to_show,
)
from reprun.report.model import AnalysisInfo, Plot, Report, StepUsage
from reprun.spec import Analysis, ComparisonRule
from reprun.store import write_atomically


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the outputs of a run lie and what they are held against."""

    analysis: Analysis
    workspace: Path
    run_directory: Path
    reference: Path
    judged_by: str
    """Digest of everything besides the outputs that decides the verdict."""


def judge(outputs: Outputs, record: RunRecord) -> Report:
    """Compare, and write `report.json` and `report.html` into the run directory.

    Raises OutputMissingError for an output or reference that is missing or unreadable and
    NothingToCompareError when there is nothing to compare.
    """
    declared = outputs.analysis.outputs
    monitored = read_all(
        [outputs.workspace / path for path in (*declared.histograms, *declared.tables)],
        outputs.workspace,
    )
    reference = load_reference(outputs.reference)
    today = dt.datetime.now(dt.UTC).date()
    blessing = read_blessing(outputs.reference)
    # Without a blessing nobody knows what the reference was made from: the strict side.
    inputs = record.inputs.datasets
    shared = bool(inputs) and (blessing is None or blessing.inputs.datasets == inputs)
    comparison = compare(
        monitored, reference, outputs.analysis.compare, today, shared_events=shared
    )
    changed = causes(blessing, record.inputs, outputs.reference)
    report = build_report(
        comparison,
        _analysis_info(outputs.analysis, record),
        # Where the numbers agree all the same, what changed is worth knowing but no cause.
        causes=() if comparison.reproduced else changed,
        tables=[table_to_show(found) for found in monitored.values() if isinstance(found, Table)],
        plots=[
            Plot(path=str((outputs.workspace / path).relative_to(outputs.run_directory)))
            for path in declared.plots
        ],
        steps=[
            StepUsage(
                name=step.rule,
                wall_seconds=step.wall_seconds,
                cpu_seconds=step.cpu_seconds,
                memory_bytes=step.peak_memory_bytes,
                exit_code=step.exit_code,
                image=step.image,
            )
            for step in record.steps
        ],
        provenance=_provenance(record, outputs.judged_by),
        citations=outputs.analysis.citations,
        notes=_deviations(record) + (changed if comparison.reproduced else []),
    )
    html = render_html(report, read_pictures(report, outputs.run_directory))
    write_atomically(outputs.run_directory / REPORT_HTML, html.encode())
    write_atomically(outputs.run_directory / REPORT_JSON, report_json(report).encode())
    return report


def compare_files(
    monitored: Path, reference: Path, *, relative: float = 0.0, html: Path | None = None
) -> Report:
    """Compare two files on their own; with `html`, also write the page there.

    Everything is compared exactly, or within `relative` if that is not zero.
    """
    rules = (
        [ComparisonRule(match="*", kind="float", relative=relative, reason="given by the user")]
        if relative
        else []
    )
    today = dt.datetime.now(dt.UTC).date()
    # One root for both, so that objects of two files are matched by their own names.
    comparison = compare(
        read_all([monitored], monitored.parent),
        read_all([reference], reference.parent),
        rules,
        today,
    )
    report = build_report(
        comparison,
        AnalysisInfo(name=monitored.name, title=f"{monitored.name} against {reference.name}"),
        provenance={
            "monitored": str(monitored),
            "monitored sha256": sha256_file(monitored),
            "reference": str(reference),
            "reference sha256": sha256_file(reference),
        },
    )
    if html is not None:
        write_atomically(html, render_html(report).encode())
    return report


def _analysis_info(analysis: Analysis, record: RunRecord) -> AnalysisInfo:
    return AnalysisInfo(
        name=analysis.name,
        title=analysis.title,
        experiment=analysis.experiment,
        variant=record.variant,
        image=record.image.name,
        image_digest=record.image.image_id,
        dataset=record.dataset or "",
    )


def _provenance(record: RunRecord, judged_by: str) -> dict[str, str | int | float]:
    return {
        "started": record.started.isoformat(timespec="seconds"),
        "wall seconds": round(record.wall_seconds, 2),
        "image ID": record.image.image_id,
        "image manifest": record.image.manifest,
        "engine": f"{record.engine.name} {record.engine.version}",
        "reprun": record.reprun_version,
        "snakemake": record.snakemake_version,
        "inputs": record.inputs.digest,
        **{
            f"data {path}": digest
            for files in record.inputs.datasets.values()
            for path, digest in files.items()
        },
        **{f"code {path}": digest for path, digest in record.inputs.code.items()},
        "host": f"{record.host.system}, kernel {record.host.kernel}",
        "processor": f"{record.host.cpu}, {record.host.cores} cores",
        JUDGED_BY: judged_by,
    }


def _deviations(record: RunRecord) -> list[str]:
    return [f"{record.engine.name} did not enforce: {what}" for what in record.engine.unenforced]

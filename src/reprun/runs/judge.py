"""The outputs of a run compared with the reference: one report, written as JSON and HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reprun.conditions.changes import changes
from reprun.conditions.snapshot import Snapshot
from reprun.digests import digest_of_mapping, sha256_bytes
from reprun.documents.analysis import Analysis
from reprun.documents.record import (
    CANDIDATE,
    EVALUATED_BY,
    REPORT_HTML,
    REPORT_JSON,
    TRUSTED,
    RunRecord,
    write_record,
)
from reprun.documents.selection import Selection
from reprun.errors import NothingToCompareError
from reprun.files import restoring, write_atomically
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.packages import packages_of
from reprun.progress import Progress
from reprun.report import Context, in_context, read_pictures, render_html, report_json
from reprun.report.model import AnalysisInfo, Plot, ReferenceInfo, Report, StepUsage
from reprun.runs.blessed import BLESSED, Blessing, causes, read_blessing
from reprun.runs.candidate import candidate_of
from reprun.runs.elsewhere import whole_reference
from reprun.runs.evaluated import Evaluated, evaluated
from reprun.runs.question import Question
from reprun.runs.reference import reference_digests
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class _Against:
    """What a run is compared with."""

    directory: Path | None
    """None where there is no reference yet."""
    blessing: Blessing | None
    hint: str = ""
    """How to come by a reference where there is none."""

    @property
    def info(self) -> ReferenceInfo | None:
        """As the report names it."""
        if self.directory is None:
            return None
        digest = digest_of_mapping(reference_digests(self.directory))
        if self.blessing is None:
            return ReferenceInfo(digest=digest)
        about = self.blessing
        return ReferenceInfo(
            digest=digest,
            date=about.date,
            author=about.author,
            reason=about.reason,
            earlier=sum(len(origin.objects or ()) for origin in about.kept),
        )


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the outputs of a run lie, and which run it is."""

    selection: Selection
    directory: Path
    run_directory: Path
    evaluated_by: str
    """Digest of everything besides the outputs that decides the verdict."""
    catalogue: Catalogue
    """Where the images of the run are defined, to tell which packages changed."""
    store: Store
    """Where tables lie as they were, to tell which of their rows changed."""
    progress: Progress
    snapshots: Mapping[Path, Snapshot] = field(default_factory=dict)
    """The conditions of the run, by their directory."""


def judge(outputs: Outputs, record: RunRecord) -> Report:
    """Compare, and write `report.json`, `report.html` and `candidate.json` into the run directory.

    Without a reference the report shows what the run made. Raises OutputMissingError for an output
    or reference that is missing or unreadable and NothingToCompareError when there is nothing to
    compare.
    """
    with _against(outputs) as against:
        question = question_of(outputs.selection, record, against.blessing)
        found = evaluated(question, outputs.directory, against.directory, outputs.store)
        report = _completed(found, outputs, record, against)
    pictures = read_pictures([plot.path for plot in report.plots], outputs.run_directory)
    html = render_html(report, pictures)
    candidate = candidate_of(record, found.found.objects).model_dump_json(indent=1)
    written = {
        REPORT_HTML: html.encode(),
        CANDIDATE: f"{candidate}\n".encode(),
        REPORT_JSON: report_json(report).encode(),
    }
    write_sealed(written, record, outputs.run_directory)
    return report


@contextmanager
def _against(outputs: Outputs) -> Iterator[_Against]:
    """Give the reference of a run, all files of it in one directory.

    Raises SpecificationError for one that cannot be read, and InputsGoneError for a file of it
    that is kept elsewhere and not available.
    """
    selection = outputs.selection
    directory = selection.reference
    trusted = selection.command("bless", '--reason "…"   # once you trust them')
    try:
        reference_digests(directory)
    except NothingToCompareError as error:
        yield _Against(None, None, error.hint or trusted)
        return
    hint = restoring(directory / BLESSED, otherwise=trusted)
    blessing = read_blessing(directory, hint=hint)
    with whole_reference(directory, outputs.store, outputs.progress) as place:
        yield _Against(place, blessing)


def _changed(outputs: Outputs, record: RunRecord, against: _Against) -> list[str]:
    """Return what differs from the run that was blessed."""
    if against.directory is None:
        return []
    blessing = against.blessing
    packages = packages_of(record.inputs.images, outputs.catalogue)
    changed = causes(blessing, record.variant, record.inputs, against.directory, packages)
    if blessing is not None:
        now = record.inputs.conditions
        changed += blessing.since(
            (origin, what)
            for origin in blessing.origins
            for what in changes(origin.inputs.conditions, now, outputs.snapshots, outputs.store)
        )
    return changed


def question_of(selection: Selection, record: RunRecord, blessing: Blessing | None) -> Question:
    """Return what is asked of the outputs of a run: how they compare with a reference."""
    analysis = selection.analysis
    return Question(
        analysis=analysis_info(selection, record),
        outputs=analysis.outputs.compared,
        documents=analysis.outputs.documents,
        trees=analysis.outputs.trees,
        rules=analysis.compare,
        map=analysis.map,
        today=dt.datetime.now(dt.UTC).date(),
        shared_events=_same_events(analysis, record, blessing),
        steps=record.steps,
        remark=_unconfined(record),
    )


def write_sealed(reports: Mapping[str, bytes], record: RunRecord, run_directory: Path) -> None:
    """Write reports, and their digests into the record of the run.

    In an order in which a kill leaves no report, and never one that the record does not name.
    """
    for name in reports:
        (run_directory / name).unlink(missing_ok=True)
    digests = {name: sha256_bytes(data) for name, data in reports.items()}
    write_record(record.model_copy(update={"reports": digests}), run_directory)
    for name, data in reports.items():
        write_atomically(run_directory / name, data)


def _completed(found: Evaluated, outputs: Outputs, record: RunRecord, against: _Against) -> Report:
    """Return a report with all that is known of the run around what was compared."""
    analysis, report = outputs.selection.analysis, found.found.report
    changed = _changed(outputs, record, against)
    own = [*deviations(record), *found.notes]
    return in_context(
        report,
        Context(
            hint=against.hint,
            reference=against.info,
            # Where the numbers agree all the same, what changed is worth knowing but no cause.
            causes=() if report.reproduced else tuple(changed),
            plots=tuple(
                Plot(path=str((outputs.directory / path).relative_to(outputs.run_directory)))
                for path in analysis.outputs.plots
            ),
            steps=tuple(
                StepUsage(
                    name=step.rule,
                    wall_seconds=step.wall_seconds,
                    cpu_seconds=step.cpu_seconds,
                    memory_bytes=step.peak_memory_bytes,
                    exit_code=step.exit_code,
                    image=step.image,
                )
                for step in record.steps
            ),
            provenance=_provenance(record, outputs.evaluated_by),
            citations=analysis.citations,
            notes=(*own, *(changed if report.reproduced else ())),
        ),
    )


def _same_events(analysis: Analysis, record: RunRecord, blessing: Blessing | None) -> bool:
    """Tell whether run and reference hold the same events, so that statistics excuse nothing.

    They do on the same data and, where events are generated, from the same seeds. Without a
    blessing nobody knows: the strict side.
    """
    now = record.inputs
    if not now.datasets and not analysis.seeds:
        return False
    if blessing is None:
        return True
    # Of a reference from several runs, any that saw the same events: the strict side again.
    return any(
        then.datasets == now.datasets
        and all(then.parameters.get(name) == now.parameters.get(name) for name in analysis.seeds)
        for then in (origin.inputs for origin in blessing.origins)
    )


def analysis_info(selection: Selection, record: RunRecord) -> AnalysisInfo:
    """Return what was run, as a page names it."""
    analysis = selection.analysis
    return AnalysisInfo(
        name=analysis.name,
        title=analysis.title,
        experiment=analysis.experiment,
        variant=record.variant,
        image=record.image.name,
        image_digest=record.image.image_id,
        dataset=record.dataset or "",
        tier=str(selection.tier) if selection.tier else "",
    )


def _provenance(record: RunRecord, evaluated_by: str) -> dict[str, str | int | float]:
    return {
        "started": record.started.isoformat(timespec="seconds"),
        "wall seconds": round(record.wall_seconds, 2),
        "image ID": record.image.image_id,
        "image manifest": record.image.manifest,
        "engine": f"{record.engine.name} {record.engine.version}",
        **({"sandbox": record.sandbox} if record.sandbox else {}),
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
        EVALUATED_BY: evaluated_by,
    }


def _unconfined(record: RunRecord) -> str | None:
    """Return what the verdict says of a run whose Snakefile was not confined."""
    if record.sandbox != TRUSTED:
        return None
    return "the Snakefile ran outside of a sandbox, trusted by --trust-snakefile"


def deviations(record: RunRecord) -> list[str]:
    """Return what was not as locked or asked for, each as a sentence."""
    weak = [f"{record.engine.name} did not enforce: {what}" for what in record.engine.unenforced]
    return [*record.deviations, *weak]

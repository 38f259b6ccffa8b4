"""Which run is blessed, and what has to hold of it: it finished, and nothing was changed since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reprun.digests import digest_of_mapping, sha256_file
from reprun.documents.reading import WORDS
from reprun.documents.record import (
    RECORD,
    REPORT_JSON,
    RunRecord,
    changed_reports,
    read_record,
    unread_record,
)
from reprun.documents.selection import Selection
from reprun.errors import SpecificationError
from reprun.report.model import Report, read_report
from reprun.runs.blessed import Compared
from reprun.runs.directory import OUTPUTS
from reprun.runs.reference import reference_digests
from reprun.wording import quoted


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is, and which one it is taken for."""

    selection: Selection
    run_directory: Path


@dataclass(frozen=True, slots=True)
class Blessable(Place):
    """A run that finished."""

    record: RunRecord

    @property
    def outputs(self) -> Path:
        """Where the outputs that were compared are."""
        return self.run_directory / OUTPUTS

    @property
    def digest(self) -> str:
        """The sha256 of the record."""
        return sha256_file(self.run_directory / RECORD)

    def report(self) -> Report | None:
        """Return the sealed report on the run; None where there is none."""
        path = self.run_directory / REPORT_JSON
        if REPORT_JSON not in self.record.reports or not path.is_file():
            return None
        return read_report(path)

    def compared(self) -> Compared | None:
        """Return the verdict that was looked at before blessing; None if there was none."""
        report = self.report()
        if report is None:
            return None
        return Compared(
            report=self.record.reports[REPORT_JSON],
            sentence=report.sentence,
            counts=report.counts,
        )

    def failed(self) -> Report:
        """Return the report that says what failed against the reference of now.

        Raises SpecificationError where none does.
        """
        report = self.report()
        selection = self.selection
        if report is None or report.reference is None:
            raise SpecificationError(
                "nothing is known to have failed: the run was not compared with a reference",
                place=str(self.run_directory),
                hint=selection.command("run"),
            )
        if report.reference.digest != digest_of_mapping(reference_digests(selection.reference)):
            raise SpecificationError(
                "what failed is not known: the run was compared with another reference than the "
                "one of now",
                place=str(self.run_directory),
                hint=selection.command("run"),
            )
        if report.reproduced:
            raise SpecificationError(
                f"nothing failed: {report.sentence}",
                place=str(self.run_directory),
                hint=selection.command("bless", "--only GLOB", '--reason "…"'),
            )
        return report


def place_of(selection: Selection, named: Path | None) -> Place:
    """Return the run that is meant: the last one here, or that of a directory that was named.

    That is the directory of a run, as any of results, one that was fetched from REANA too; or a
    directory of results that has the run of the selection. Raises SpecificationError.
    """
    if named is None:
        return Place(selection, selection.run_directory)
    there = replace(selection, typed_results=named)
    for directory in (named.resolve(), there.run_directory):
        record = read_record(directory)
        if record is not None:
            return Place(_selected_by(record, selection, directory), directory)
        if (state := unread_record(directory)) is not None:
            raise SpecificationError(
                f"the record of that run is not read ({WORDS[state]})",
                place=str(directory),
                hint=f"ls -l {quoted(directory)}",
            )
    raise SpecificationError(
        f"{named} is not the directory of a run, and has no results of {selection.analysis.name}",
        place=str(there.run_directory),
        hint=there.command("run"),
    )


def _selected_by(record: RunRecord, selection: Selection, directory: Path) -> Selection:
    """Return the selection in the variant that ran; refuse a run of something else."""
    analysis = selection.analysis
    tier = selection.tier.name if selection.tier else None
    for what, ran, wanted in (
        ("the analysis", record.analysis, analysis.name),
        ("the dataset", record.dataset or "none", selection.dataset or "none"),
        ("the part of the events", record.tier or "all", tier or "all"),
    ):
        if ran != wanted:
            raise SpecificationError(
                f"that run does not make this reference: {what} is {ran}, not {wanted}",
                place=str(directory),
                hint="reprun bless --help   # --data, --max-events and --fraction choose another",
            )
    default = analysis.variant(None)[0]
    if selection.variant not in (record.variant, default):
        raise SpecificationError(
            f"that run is of the variant {record.variant}, not {selection.variant}",
            place=str(directory),
            hint=selection.about("show"),
        )
    if record.variant not in analysis.variants:
        raise SpecificationError(
            f"{analysis.name} has no variant '{record.variant}', which that run is of",
            place=str(directory),
            hint=selection.about("show"),
        )
    return replace(selection, variant=record.variant)


def finished_run(place: Place) -> Blessable:
    """Return the run that is there; raise SpecificationError if it did not finish."""
    selection, run_directory = place.selection, place.run_directory
    record = read_record(run_directory)
    if record is None or record.status != "finished":
        unread = unread_record(run_directory)
        if record is not None:
            state = f"{record.status} in its last run"
        elif unread is not None:
            state = f"has a record of its last run that is not read ({WORDS[unread]})"
        else:
            state = "has not run here"
        raise SpecificationError(
            f"{selection.analysis.name} {state}; only a finished run can be blessed",
            place=str(run_directory),
            hint=selection.command("run"),
        )
    return Blessable(selection, run_directory, record)


def refuse_changed(run: Blessable) -> None:
    """Refuse where reports or outputs are not what the run left."""
    selection = run.selection
    for name in changed_reports(run.record, run.run_directory):
        raise SpecificationError(
            f"{name} was changed after the run",
            place=str(run.run_directory / name),
            hint=f"{selection.command('run')}   # writes it again",
        )
    for path in selection.analysis.outputs.all:
        file = run.outputs / path
        if not file.is_file() or sha256_file(file) != run.record.outputs.get(path):
            raise SpecificationError(
                f"the output {path} is not what the last run made",
                place=str(file),
                hint=selection.command("run", "--again"),
            )


def refuse_other_parameters(run: Blessable) -> None:
    """Refuse a run with `-p`: no plain run would repeat it, and of seeds none would need to."""
    selection, ran = run.selection, run.record.inputs.parameters
    for name, value in selection.parameters.items():
        if name in ran and ran[name] != value:
            raise SpecificationError(
                f"the last run of {selection.analysis.name} had {name}={ran[name]}, analysis.yaml "
                f"says {value}: a reference is what a run without -p repeats",
                hint=f"{selection.command('run')}   # or write {name}: {ran[name]} into "
                "analysis.yaml",
            )

"""The report: one document that every renderer shows and none recomputes."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema

from reprun.digests import short
from reprun.documents.analysis import Citation
from reprun.documents.reading import Document, read_written
from reprun.errors import ExitCode, OutputMissingError, SpecificationError
from reprun.histograms.titles import unicode_title

Number = Annotated[
    float,
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}),
]
"""A float; JSON has no word for those that are not finite, so they are written as strings."""

Numbers = tuple[Number, ...]


class _Part(Document):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class AnalysisInfo(_Part):
    """What was run."""

    name: str
    title: str
    experiment: str = ""
    variant: str = ""
    image: str = ""
    image_digest: str = ""
    dataset: str = ""
    tier: str = ""
    """The part of the events, in words; empty for all."""


class PlotAxis(_Part):
    """The bins of a drawn axis: even ones by number and range, others by their edges.

    Titles and labels are as the file has them; every renderer sets them by
    `reprun.histograms.titles`.
    """

    title: str
    unit: str
    scale: Literal["linear", "log"] = "linear"
    """How it is drawn: `log` where the bins grow with their edges."""
    bins: int
    lower: float
    upper: float
    edges: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None


class Panel(_Part):
    """One drawing: the run over its reference, without flow bins, which are given beside.

    A flow bin in which both sides differ is drawn as one more bin, by its errors and its pull.

    If `same`, the reference holds the numbers of `monitored` and they are not repeated. A side
    that is null was not there or cannot be drawn on these axes. Errors that are null are
    sqrt(|contents|). `pulls` is null unless both sides are given.

    A `histogram` has bins along `axis`. `points` (profiles, efficiencies, graphs) have errors
    upwards and, if given apart, downwards, and lie at `x` or in the middle of the bins. A `map`
    has bins along both axes, y running fastest; of a reference beside a run it holds the pulls.
    """

    kind: Literal["histogram", "points", "map"] = "histogram"
    title: str
    axis: PlotAxis
    y_axis: PlotAxis | None = None
    y_title: str = ""
    """What the contents of a histogram are, with the width of its bins: `Entries / 2 GeV`."""
    density_title: str = ""
    """The same once contents are divided by the widths; empty where those are equal."""
    x: Numbers | None = None
    same: bool = False
    monitored: Numbers | None
    monitored_errors: Numbers | None = None
    monitored_errors_low: Numbers | None = None
    monitored_flow: tuple[Number, Number] | None = None
    monitored_flow_errors: tuple[Number, Number] | None = None
    reference: Numbers | None = None
    reference_errors: Numbers | None = None
    reference_errors_low: Numbers | None = None
    reference_flow: tuple[Number, Number] | None = None
    reference_flow_errors: tuple[Number, Number] | None = None
    pulls: Numbers | None = None
    flow_pulls: tuple[Number, Number] | None = None
    note: str = ""


class Difference(_Part):
    """One differing bin or cell; see `reprun.compare.BinDifference`."""

    label: str
    edges: tuple[tuple[Number, Number], ...]
    monitored: Number
    reference: Number
    monitored_error: Number | None
    reference_error: Number | None
    ratio: Number
    pull: Number | None

    @property
    def quotient(self) -> str:
        """The ratio for people, who have no use for NaN."""
        return "0 in the reference" if self.reference == 0 else finite(self.ratio, 6)


class Migration(_Part):
    """Entries in a neighbouring bin; see `reprun.compare.verdict.Migration`."""

    entries: int
    weight: Number
    source: tuple[int, ...]
    target: tuple[int, ...]
    axis: int
    edge: float
    sentence: str
    events: tuple[str, ...] = ()
    """Those that moved, where a tree of both sides has them."""


class CheckResult(_Part):
    """One rung of the ladder or one test, with the figures behind its answer."""

    name: str
    passed: bool
    sentence: str
    figures: Mapping[str, Number] = {}


class RuleUsed(_Part):
    """The rule of `analysis.yaml` that held."""

    match: str
    kind: str
    relative: float
    absolute: float
    migrated: int = 0
    alpha: float | None = None
    """The chance of a false alarm in the file; null unless objects are sampled."""
    reason: str | None
    expires: datetime.date | None


class ReportTable(_Part):
    """A table to show. Cells are text or numbers; `marked`: cells (row, column) that differ."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Number, ...], ...]
    caption: str = ""
    marked: tuple[tuple[int, int], ...] = ()


_NOT_KEPT: set[str] = set()


class ReportItem(_Part):
    """The verdict on one object, why, and what is needed to draw it."""

    name: str
    title: str
    class_name: str
    verdict: str
    passes: bool
    sentence: str
    kind: str
    rule: RuleUsed | None
    monitored_hash: str | None
    reference_hash: str | None
    axes: tuple[str, ...] = ()
    """The titles of its axes, as the file has them."""
    bins: int
    differing: int
    beyond: int
    max_ulp: Number
    max_relative: Number
    max_pull: Number | None
    worst: Difference | None = None
    """The bin or cell that is furthest off, of those beyond the tolerance."""
    integrals: tuple[Number, Number] | None = None
    """Of run and reference, without flow bins; null for tables and where nothing is beyond."""
    factor: Number | None = None
    """Set where everything that is filled differs by this factor."""
    differences: tuple[Difference, ...] = ()
    renamed_from: str | None = None
    """What the reference calls it, where it is the same under another name."""
    migrated: tuple[Migration, ...] = ()
    """The moves between neighbouring bins that alone explain the difference; empty if none do."""
    checks: tuple[CheckResult, ...] = ()
    needed: str = ""
    """What would have to be true for this object to pass; empty where it does."""
    notes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    table: ReportTable | None = None

    def model_post_init(self, _: object) -> None:
        """Forget which fields were given: of 100,000 objects that takes more than the rest."""
        object.__setattr__(self, "__pydantic_fields_set__", _NOT_KEPT)

    @property
    def explained(self) -> bool:
        """Whether there is more to show of it than its sentence."""
        return bool(self.differences or self.needed)

    @property
    def bins_or_cells(self) -> str:
        """What its differences are, in the singular."""
        return "cell" if any(not one.edges for one in self.differences) else "bin"

    @property
    def along(self) -> str:
        """The axis of its bins for people: ` of p_T [GeV]`; empty unless there is one to name."""
        title = unicode_title(self.axes[0]) if len(self.axes) == 1 else ""
        return f" of {title}" if title not in ("", self.name.rpartition("/")[2]) else ""


LEFT_OUT = "titles, drawing options and how a file is stored; docs/identity.md lists every field"
"""What of any file is left out of a verdict: the closed list of `histograms.identity` in short."""


class IgnoredItem(_Part):
    """An object, or a column of a tree, that a rule leaves out of the verdict."""

    name: str
    reason: str
    expires: datetime.date | None


class StepUsage(_Part):
    """What one step of the workflow used."""

    name: str
    wall_seconds: float
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    exit_code: int = 0
    image: str = ""


class Plot(_Part):
    """A picture the analysis made, by its path below the run's directory."""

    path: str
    caption: str = ""


class ReferenceInfo(_Part):
    """The reference that a run was compared with, and who vouches for it."""

    digest: str
    """Over its files."""
    date: datetime.date | None = None
    """When it was blessed; null where nobody did."""
    author: str = ""
    reason: str = ""
    earlier: int = 0
    """Objects that were blessed earlier than that, and stayed as they were."""

    @property
    def sentence(self) -> str:
        """What a verdict was reached against."""
        if self.date is None:
            return f"compared with a reference that nobody has blessed ({short(self.digest)})"
        earlier = ""
        if self.earlier:
            was = "was" if self.earlier == 1 else "were"
            earlier = f"; {self.earlier:,} of its objects {was} blessed earlier"
        return (
            f"compared with the reference blessed on {self.date} by {self.author}: {self.reason} "
            f"({short(self.digest)}{earlier})"
        )


class FirstDrift(_Part):
    """The earliest step of the workflow with an output that does not pass."""

    step: str
    outputs: tuple[str, ...]
    sentence: str


class Report(_Part):
    """Everything one comparison found, for people, for machines and for later runs."""

    schema_version: Literal[1] = 1
    generator: str
    analysis: AnalysisInfo
    status: Literal["reproduced", "not reproduced", "no reference"]
    sentence: str
    hint: str = ""
    """The next command to type, where there is one."""
    reference: ReferenceInfo | None = None
    """Null where two files were compared, and where there is no reference."""
    sides: tuple[str, str] = ("run", "reference")
    """What the two sides are called in headings."""
    counts: Mapping[str, int]
    """Objects by verdict, best verdict first."""
    causes: tuple[str, ...] = ()
    """What differs from the run that was blessed or from the last good one."""
    first_drift: FirstDrift | None = None
    """Null where everything passes or the workflow has one step."""
    items: Annotated[tuple[ReportItem, ...], Field(min_length=1)]
    """Those that do not pass come first, the worst at the top."""
    ignored: tuple[IgnoredItem, ...] = ()
    left_out: str = LEFT_OUT
    """What no verdict covers."""
    notes: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    plots: tuple[Plot, ...] = ()
    steps: tuple[StepUsage, ...] = ()
    provenance: Mapping[str, JsonValue] = {}
    citations: tuple[Citation, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether every object passed."""
        return self.status == "reproduced"

    @property
    def exit_code(self) -> ExitCode:
        """What the program ends with."""
        match self.status:
            case "reproduced":
                return ExitCode.REPRODUCED
            case "not reproduced":
                return ExitCode.NOT_REPRODUCED
            case "no reference":
                return ExitCode.NOTHING_TO_COMPARE
            case _:
                assert_never(self.status)

    def unchanged_since(self, finished: datetime.datetime) -> Report:
        """Return the report of a run that ended then, as it still stands: its sentence says so."""
        told = f"{self.status} on {finished:%Y-%m-%d}, unchanged since"
        if self.status in self.sentence:
            sentence = self.sentence.replace(self.status, told, 1)
        else:
            sentence = f"{told}: {self.sentence}"
        return self.model_copy(update={"sentence": sentence})


def report_json(report: Report) -> str:
    """Return the text of `report.json`."""
    return report.model_dump_json() + "\n"


def read_report(path: Path) -> Report:
    """Read `report.json` back. Raises OutputMissingError for one that is not there or not right."""
    try:
        report = read_written(Report, path, problem="not a report of schema version 1")
    except SpecificationError as error:
        raise OutputMissingError(error.message, place=error.place) from error
    if report is None:
        raise OutputMissingError("there is no report", place=str(path))
    return report


def report_schema() -> str:
    """Return the JSON Schema of `report.json`, as published in docs/schemas/report.json."""
    schema = Report.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def shown(value: str | float | None, digits: int = 6) -> str:
    """Return a number as people read it: whole ones in full, others to `digits` digits."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if math.isfinite(value) and float(value).is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def details_left_out(explained: Sequence[ReportItem], shown_first: int) -> str:
    """Return what is said where only the first of the objects that fail are explained."""
    if len(explained) <= shown_first:
        return ""
    return (
        f"details of {shown_first} of {len(explained):,} objects that do not pass; "
        "--format json has all"
    )


def finite(value: float | None, digits: int = 3) -> str:
    """Return a figure that says something of a difference; `-` for one that is not finite."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def measured(value: float, error: float | None) -> str:
    """Return a value and its error, as they stand in one cell: `102 ± 10.1`."""
    known = error is not None and math.isfinite(error)
    return f"{shown(value, 9)} ± {shown(error, 3)}" if known else shown(value, 9)


LONGEST_HEADING = 24


def brief(name: str) -> str:
    """Return the name of a side short enough for a heading: its end, which tells files apart."""
    return name if len(name) <= LONGEST_HEADING else f"…{name[1 - LONGEST_HEADING :]}"

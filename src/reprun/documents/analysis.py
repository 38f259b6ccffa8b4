"""`analysis.yaml`: read and validated, with the line of every fault."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import Field, field_validator, model_validator

from reprun.documents.manifest import Dataset, load_manifest
from reprun.documents.reading import (
    Document,
    Finite,
    InsidePath,
    Name,
    Scalar,
    edit_command,
    inside,
    read_document,
    validated,
)
from reprun.errors import SpecificationError, did_you_mean
from reprun.wording import quoted

DOCUMENT = "analysis.yaml"


class Variant(Document):
    """The same analysis in one image, with what differs for it."""

    image: Name
    """Name of the image, a directory in images/."""
    images: Mapping[Name, Name] = {}
    """Further images by role: the Snakefile finds `generator` as `config["image_generator"]`."""
    snakefile: InsidePath | None = None
    """The variant's own Snakefile, where it differs."""
    parameters: Mapping[str, Scalar] = {}
    """Values that win over those of the analysis."""
    conditions: tuple[Name, ...] = ()
    """Snapshots this variant needs besides the analysis's own."""
    network: Annotated[str, Field(min_length=1)] | None = None
    """Why its steps need a network: it runs with --allow-network only, and is not hermetic."""
    optional: Annotated[str, Field(min_length=1)] | None = None
    """Why a matrix passes on hosts where this variant cannot run; without it, it fails there."""

    @property
    def all_images(self) -> Mapping[str, str]:
        """Every image by the name of its entry in Snakemake's configuration."""
        return {"image": self.image} | {f"image_{role}": n for role, n in self.images.items()}


@dataclass(frozen=True, slots=True)
class Tier:
    """A part of the events that a small machine can do, with a reference of its own."""

    parameter: Literal["max_events", "fraction"]
    value: int | float

    @property
    def flag(self) -> str:
        """The option of the command line, without its dashes: `max-events`, `fraction`."""
        return self.parameter.replace("_", "-")

    @property
    def name(self) -> str:
        """How directories and verdicts call it: `max-events-10000`, `fraction-0.1`."""
        return f"{self.flag}-{self.value!r}"

    @property
    def option(self) -> str:
        """The option with its value: `--max-events 10000`."""
        return f"--{self.flag} {self.value!r}"

    def __str__(self) -> str:
        """Name it in a sentence."""
        if self.parameter == "max_events":
            return f"the first {self.value:,} events"
        return f"{100 * self.value:.6g} % of the events"


def tier_of(max_events: int | None, fraction: float | None) -> Tier | None:
    """Return the tier that the command line asks for; None for all events."""
    if max_events is not None and fraction is not None:
        raise SpecificationError(
            "--max-events and --fraction both set the number of events: give one of them"
        )
    if max_events is not None:
        return Tier("max_events", max_events)
    return None if fraction is None else Tier("fraction", fraction)


class Outputs(Document):
    """Files a run must leave behind, by what they are for."""

    histograms: tuple[InsidePath, ...] = ()
    """Files of histograms (ROOT, YODA, JSON), compared object by object."""
    tables: tuple[InsidePath, ...] = ()
    """CSV tables, compared cell by cell."""
    documents: tuple[InsidePath, ...] = ()
    """JSON of limits, fits and workspaces, compared value by value."""
    trees: tuple[InsidePath, ...] = ()
    """Files of events (ROOT, CSV, Parquet), compared column by column; each must have a tree or be
    a table of events."""
    plots: tuple[InsidePath, ...] = ()
    """Pictures for the report; they must be there and are not compared."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every declared output."""
        return self.compared + self.documents + self.plots

    @property
    def compared(self) -> tuple[str, ...]:
        """Those whose objects a reference is compared with; values of documents are as well."""
        return self.histograms + self.tables + self.trees

    @model_validator(mode="after")
    def _something(self) -> Outputs:
        if not self.all:
            raise ValueError("an analysis must declare at least one output")
        return self


StatisticalTest = Literal["yield", "shape", "pull", "runs", "ks", "ad"]
STATISTICAL_TESTS: tuple[StatisticalTest, ...] = get_args(StatisticalTest)
"""In the order in which their results are listed."""
DEFAULT_TESTS: tuple[StatisticalTest, ...] = ("yield", "shape", "pull", "runs")


class ComparisonRule(Document):
    """How objects whose name matches a glob are compared. The first rule that matches counts."""

    match: str
    """Glob on the name of a histogram, table or tree; a table goes by its file's name, a column
    of a tree by `tree/column`, a value of a document by file and path
    (`limits.json:/expected/2`)."""
    kind: Literal["count", "float", "sampled", "ignore"]
    """`count`: exactly equal; `float`: equal within the tolerance; `sampled`: independent
    samples, compared with statistical tests (of a tree: exactly equal); `ignore`: not
    evaluated."""
    relative: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    """Of kind `float`: the relative difference that passes."""
    absolute: Annotated[Finite, Field(ge=0)] = 0.0
    """Of kind `float`: the absolute difference that passes."""
    migrated: Annotated[int, Field(ge=0)] = 0
    """Of kind `count` or `float`: how many entries of a histogram may be in a neighbouring bin,
    where such moves alone explain the difference."""
    keys: tuple[str, ...] = ()
    """Of a tree: the columns of integers that name an event. Without them those called run,
    luminosityBlock, event or alike do, and else the place of an entry."""
    ordered: bool = True
    """Of a tree: false where the order of the entries may differ."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """The chance allowed that a file of `sampled` objects fails although all agree."""
    tests: Annotated[tuple[StatisticalTest, ...], Field(min_length=1)] = DEFAULT_TESTS
    """Without `yield` the samples may differ in size, and only shapes are compared."""
    toys: Annotated[int, Field(ge=1000, le=10_000_000)] = 10_000
    """The most toys thrown for one p-value."""
    covariance: str | None = None
    """The name of a TH2 in the files that holds the covariance of the bins."""
    reason: str | None = None
    """Why a difference may pass; needed wherever one may."""
    expires: datetime.date | None = None
    """The last day on which the rule holds."""

    @model_validator(mode="after")
    def _exceptions_have_reasons(self) -> ComparisonRule:
        loose = self.kind in ("ignore", "sampled") or self.relative or self.absolute
        loose = loose or self.migrated or not self.ordered
        if loose and not self.reason:
            raise ValueError(f"the rule for '{self.match}' allows a difference: give its reason")
        if self.kind == "count" and (self.relative or self.absolute):
            raise ValueError(f"the rule for '{self.match}': counts are compared exactly")
        if self.kind not in ("count", "float") and self.migrated:
            raise ValueError(f"the rule for '{self.match}': migrated is for count and float")
        statistical = {"alpha", "tests", "toys", "covariance"} & self.model_fields_set
        if self.kind != "sampled" and statistical:
            raise ValueError(
                f"the rule for '{self.match}': {min(statistical)} is for the kind sampled"
            )
        of_trees = {"keys", "ordered"} & self.model_fields_set
        if self.kind in ("sampled", "ignore") and of_trees:
            raise ValueError(
                f"the rule for '{self.match}': {min(of_trees)} is for the kinds count and float"
            )
        if len(set(self.tests)) != len(self.tests):
            raise ValueError(f"the rule for '{self.match}' has a duplicate test")
        if self.tests == ("runs",):
            raise ValueError(f"the rule for '{self.match}': runs alone is not sensitive enough")
        return self


class Citation(Document):
    """What to cite when the analysis is used."""

    title: str
    """What is cited."""
    kind: Literal["dataset", "software", "article"] = "dataset"
    """What it is: a dataset, a program or an article."""
    authors: tuple[str, ...] = ()
    """`Surname, Given` each, `others` at the end for et al.; a collaboration as it is called."""
    year: Annotated[int, Field(ge=1900, le=2100)] | None = None
    """The year it was published."""
    journal: str | None = None
    """The journal of an article."""
    volume: str | None = None
    """Its volume."""
    number: str | None = None
    """Its number within the volume."""
    pages: str | None = None
    """Its pages, or the number of the article."""
    version: str | None = None
    """The version of a program that was used."""
    doi: str | None = None
    """Its DOI."""
    record: str | None = None
    """Its record on the CERN Open Data portal."""
    licence: str | None = None
    """Its licence, as SPDX writes it."""
    acknowledgement: str | None = None
    """The text of thanks its owners ask for."""


class Analysis(Document):
    """The whole of `analysis.yaml`."""

    schema_version: Literal[1]
    """The version of this format."""
    name: Name
    """The analysis's name, that of its directory."""
    title: str
    """One line on what it is."""
    experiment: str
    """CMS, ATLAS, LHCb …"""
    dphep_level: str
    """Level of the data in the DPHEP scale: 1 publication, 2 simplified data, 3
    reconstructed data, 4 raw data."""
    description: str = ""
    """A paragraph on what it does."""
    snakefile: InsidePath = "Snakefile"
    """The workflow."""
    code: tuple[InsidePath, ...] = ("code",)
    """Files and directories that the workflow uses; all of it is locked."""
    parameters: Mapping[str, Scalar] = {}
    """What the Snakefile finds in `config`; a run sets others by `--parameter NAME=VALUE`."""
    variants: Annotated[Mapping[Name, Variant], Field(min_length=1)]
    """The same analysis in one image or another."""
    default_variant: Name | None = None
    """The variant that runs if none is asked for; without it the first."""
    datasets: Mapping[Name, Dataset] = {}
    """Datasets by name: a manifest in place, or the path of one (YAML, JSON)."""
    default_dataset: Name | None = None
    """The dataset that is used if none is asked for; without it the first."""
    conditions: tuple[Name, ...] = ()
    """Snapshots that every variant needs, by the name of their directory in conditions/."""
    outputs: Outputs
    """Files a run must leave behind."""
    reference: InsidePath = "reference"
    """Directory of the blessed histograms, tables and documents."""
    references: Mapping[Name, InsidePath] = {}
    """References of datasets whose numbers are not those of `reference`, by dataset."""
    seeds: tuple[str, ...] = ()
    """Parameters that, when they change, give an independent sample of events."""
    compare: Annotated[tuple[ComparisonRule, ...], Field(min_length=1)]
    """What may differ; the first rule that matches counts."""
    map: Mapping[str, str] = {}
    """Objects of the reference that have another name now, as `old: new`; one `*` in both stands
    for what it matches. They are compared like any other."""
    citations: tuple[Citation, ...] = ()
    """What to cite when the analysis is used."""

    @field_validator("datasets", mode="before")
    @classmethod
    def _datasets_are_named(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _defaults_exist(self) -> Analysis:
        for label, chosen, known in (
            ("default_variant", self.default_variant, self.variants),
            ("default_dataset", self.default_dataset, self.datasets),
        ):
            if chosen is not None and chosen not in known:
                raise ValueError(f"{label}: there is no '{chosen}'{did_you_mean(chosen, known)}")
        for label, names, there in (
            ("references", list(self.references), list(self.datasets)),
            ("seeds", list(self.seeds), list(self.parameters)),
        ):
            for name in names:
                if name not in there:
                    raise ValueError(f"{label}: there is no '{name}'{did_you_mean(name, there)}")
        return self

    def variant(self, name: str | None) -> tuple[str, Variant]:
        """Return the variant called `name`, or the default (the first, unless one is named)."""
        chosen = name or self.default_variant or next(iter(self.variants))
        return chosen, _pick(self.name, "variant", chosen, self.variants)

    def conditions_of(self, variant: str | None) -> tuple[str, ...]:
        """Return the names of the snapshots a variant needs."""
        _, chosen = self.variant(variant)
        return tuple(dict.fromkeys((*self.conditions, *chosen.conditions)))

    def reference_of(self, dataset: str | None, tier: Tier | None = None) -> str:
        """Return the directory, below the analysis's own, of what a run is compared with."""
        whole = self.references.get(dataset, self.reference) if dataset else self.reference
        return whole if tier is None else f"{whole}/{tier.name}"

    @property
    def all_references(self) -> tuple[str, ...]:
        """The directories of all references; those of tiers are below them."""
        return tuple(dict.fromkeys((self.reference, *self.references.values())))

    @property
    def all_conditions(self) -> tuple[str, ...]:
        """The names of the snapshots that any variant needs."""
        named = [name for variant in self.variants for name in self.conditions_of(variant)]
        return tuple(dict.fromkeys(named))

    def dataset(self, name: str | None) -> tuple[str, Dataset] | None:
        """Return the dataset called `name`, or the default; None if the analysis needs no data."""
        if name is None and not self.datasets:
            return None
        chosen = name or self.default_dataset or next(iter(self.datasets))
        return chosen, _pick(self.name, "dataset", chosen, self.datasets)


T = TypeVar("T")


def _pick(analysis: str, what: str, chosen: str, known: Mapping[str, T]) -> T:
    if chosen not in known:
        raise SpecificationError(
            f"{analysis} has no {what} '{chosen}'{did_you_mean(chosen, known)}",
            hint=f"reprun show {quoted(analysis)}",
        )
    return known[chosen]


def manifest_of(directory: Path, dataset: str) -> Path | None:
    """Return the manifest that describes a dataset, None if it stands in analysis.yaml itself."""
    document, _ = read_document(directory / DOCUMENT)
    named = document["datasets"][dataset]
    return directory / inside(named) if isinstance(named, str) else None


def load_analysis(directory: Path) -> Analysis:
    """Read `analysis.yaml` of a directory, with dataset manifests that are beside it.

    A dataset may be written in place or as the path of a manifest (YAML or JSON). Raises
    SpecificationError with file, line and field of the first fault, and the number of others.
    """
    path = directory / DOCUMENT
    document, lines = read_document(path)
    if isinstance(document, dict) and isinstance(document.get("datasets"), dict):
        datasets: dict[str, Any] = {}
        for name, value in document["datasets"].items():
            if isinstance(value, str):
                place = f"{path}:{lines.get(('datasets', name), 1)}"
                try:
                    manifest = directory / inside(value)
                except ValueError as error:
                    raise SpecificationError(f"datasets.{name}: {error}", place=place) from error
                if not manifest.is_file():
                    raise SpecificationError(
                        f"datasets.{name}: the dataset manifest {value} does not exist", place=place
                    )
                datasets[name] = load_manifest(manifest)
            else:
                datasets[name] = value
        document["datasets"] = datasets
    return validated(Analysis, document, path, lines)


def check_name(analysis: Analysis, directory: Path) -> None:
    """Refuse an analysis that is not called like its directory: results go by that name."""
    if analysis.name != directory.name:
        path = directory / DOCUMENT
        raise SpecificationError(
            f"the analysis is called '{analysis.name}' and its directory '{directory.name}'; "
            "both must have one name",
            place=str(path),
            hint=f"{edit_command(path)}   # name: {directory.name}",
        )

"""`analysis.yaml` and dataset manifests: read, validated, with the line of every fault."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from reprun.errors import SpecificationError, did_you_mean

DOCUMENT = "analysis.yaml"


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path in ("", "."):
        raise ValueError(f"'{path}' must be a path inside the analysis, without '..'")
    return pure.as_posix()


InsidePath = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = str | int | Finite | bool


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(_Document):
    """One file of a dataset: where it lies in the workspace, what its bytes are, its sources."""

    path: InsidePath
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256
    adler32: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None
    uris: tuple[str, ...] = ()
    mirror_path: InsidePath | None = None
    """Where the file lies below each directory or URL of REPRUN_MIRRORS."""
    note: str | None = None
    """What a reader must know, e.g. that the local bytes differ from the portal's."""

    @property
    def digest(self) -> str:
        """`sha256:<hex>`."""
        return "sha256:" + self.sha256.removeprefix("sha256:")


class Dataset(_Document):
    """Files that belong together, with their record and licence."""

    title: str
    experiment: str | None = None
    record: str | None = None
    doi: str | None = None
    licence: str | None = None
    acknowledgement: str | None = None
    files: Annotated[tuple[DataFile, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_path_twice(self) -> Dataset:
        seen: set[str] = set()
        for file in self.files:
            if file.path in seen:
                raise ValueError(f"the path '{file.path}' is named twice")
            seen.add(file.path)
        return self


class Variant(_Document):
    """The same analysis in one image, with what differs for it."""

    image: Name
    snakefile: InsidePath | None = None
    parameters: Mapping[str, Scalar] = {}


class Outputs(_Document):
    """Files a run must leave behind, by what they are for."""

    histograms: tuple[InsidePath, ...] = ()
    tables: tuple[InsidePath, ...] = ()
    plots: tuple[InsidePath, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every declared output."""
        return self.histograms + self.tables + self.plots

    @model_validator(mode="after")
    def _something(self) -> Outputs:
        if not self.all:
            raise ValueError("an analysis must declare at least one output")
        return self


StatisticalTest = Literal["yield", "shape", "pull", "runs", "ks", "ad"]
DEFAULT_TESTS: tuple[StatisticalTest, ...] = ("yield", "shape", "pull", "runs")


class ComparisonRule(_Document):
    """How objects whose name matches a glob are compared. The first rule that matches counts."""

    match: str
    kind: Literal["count", "float", "sampled", "ignore"]
    relative: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    absolute: Annotated[Finite, Field(ge=0)] = 0.0
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """The chance allowed that a file of `sampled` objects fails although all agree."""
    tests: Annotated[tuple[StatisticalTest, ...], Field(min_length=1)] = DEFAULT_TESTS
    """Without `yield` the samples may differ in size, and only shapes are compared."""
    toys: Annotated[int, Field(ge=1000, le=10_000_000)] = 10_000
    """The most toys thrown for one p-value."""
    covariance: str | None = None
    """The name of a TH2 in the files that holds the covariance of the bins."""
    reason: str | None = None
    expires: datetime.date | None = None

    @model_validator(mode="after")
    def _exceptions_have_reasons(self) -> ComparisonRule:
        loose = self.kind in ("ignore", "sampled") or self.relative or self.absolute
        if loose and not self.reason:
            raise ValueError(f"the rule for '{self.match}' allows a difference: give its reason")
        if self.kind == "count" and (self.relative or self.absolute):
            raise ValueError(f"the rule for '{self.match}': counts are compared exactly")
        statistical = {"alpha", "tests", "toys", "covariance"} & self.model_fields_set
        if self.kind != "sampled" and statistical:
            raise ValueError(
                f"the rule for '{self.match}': {min(statistical)} is for the kind sampled"
            )
        if len(set(self.tests)) != len(self.tests):
            raise ValueError(f"the rule for '{self.match}' names a test twice")
        if self.tests == ("runs",):
            raise ValueError(f"the rule for '{self.match}': runs alone sees too little")
        return self


class Citation(_Document):
    """What to cite when the analysis is used."""

    title: str
    doi: str | None = None
    record: str | None = None
    licence: str | None = None
    acknowledgement: str | None = None


class Analysis(_Document):
    """The whole of `analysis.yaml`."""

    schema_version: Literal[1]
    name: Name
    title: str
    experiment: str
    dphep_level: str
    description: str = ""
    snakefile: InsidePath = "Snakefile"
    code: tuple[InsidePath, ...] = ("code",)
    parameters: Mapping[str, Scalar] = {}
    variants: Annotated[Mapping[Name, Variant], Field(min_length=1)]
    default_variant: Name | None = None
    datasets: Mapping[Name, Dataset] = {}
    default_dataset: Name | None = None
    outputs: Outputs
    reference: InsidePath = "reference"
    compare: Annotated[tuple[ComparisonRule, ...], Field(min_length=1)]
    citations: tuple[Citation, ...] = ()

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
                raise ValueError(f"{label}: there is no '{chosen}'.{did_you_mean(chosen, known)}")
        return self

    def variant(self, name: str | None) -> tuple[str, Variant]:
        """Return the variant called `name`, or the default (the first, unless one is named)."""
        chosen = name or self.default_variant or next(iter(self.variants))
        return chosen, _pick(self.name, "variant", chosen, self.variants)

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
            f"{analysis} has no {what} '{chosen}'.{did_you_mean(chosen, known)}",
            hint=f"reprun show {analysis}",
        )
    return known[chosen]


def load_analysis(directory: Path) -> Analysis:
    """Read `analysis.yaml` of a directory, with dataset manifests that lie beside it.

    A dataset may be written in place or as the path of a YAML manifest. Raises
    SpecificationError with file, line and field of the first fault, and the number of others.
    """
    path = directory / DOCUMENT
    document, lines = _read_yaml(path)
    if isinstance(document, dict) and isinstance(document.get("datasets"), dict):
        datasets: dict[str, Any] = {}
        for name, value in document["datasets"].items():
            if isinstance(value, str):
                place = f"{path}:{lines.get(('datasets', name), 1)}"
                try:
                    manifest = directory / _inside(value)
                except ValueError as error:
                    raise SpecificationError(f"datasets.{name}: {error}", place=place) from error
                if not manifest.is_file():
                    raise SpecificationError(
                        f"datasets.{name}: the dataset manifest {value} does not exist", place=place
                    )
                content, manifest_lines = _read_yaml(manifest)
                datasets[name] = _validated(Dataset, content, manifest, manifest_lines)
            else:
                datasets[name] = value
        document["datasets"] = datasets
    return _validated(Analysis, document, path, lines)


def check_name(analysis: Analysis, directory: Path) -> None:
    """Refuse an analysis that is not called like its directory: results go by that name."""
    if analysis.name != directory.name:
        path = directory / DOCUMENT
        raise SpecificationError(
            f"the analysis is called '{analysis.name}' and its directory '{directory.name}'; "
            "both must have one name",
            place=str(path),
            hint=f"${{EDITOR:-vi}} {path}   # name: {directory.name}",
        )


M = TypeVar("M", bound=BaseModel)
Lines = dict[tuple[str | int, ...], int]


def _validated(model: type[M], document: Any, path: Path, lines: Lines) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        # A misspelt field is unknown under its own name and missing under the right one.
        unknown = (fault for fault in faults if fault["type"] == "extra_forbidden")
        first = next(unknown, faults[0])
        location = tuple(first["loc"])
        line = next(
            (lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), 1
        )
        message = re.sub(r"^(Value error|Assertion failed), ", "", first["msg"])
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            message = f"unknown field.{did_you_mean(str(location[-1]), known)}"
        elif first["type"] == "missing":
            message = "this field is missing"
        field = ".".join(str(part) for part in location) or "document"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SpecificationError(
            f"{field}: {message}{more}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error


def _edit(path: Path, line: int) -> str:
    """Return the command that opens a file where the fault is."""
    return f"${{EDITOR:-vi}} +{line} {path}"


def _fields_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Return the field names of the model that a location inside a document belongs to."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", {})
        annotation = fields[part].annotation if part in fields else None
        inner = [item for item in _types_in(annotation) if isinstance(item, type)]
        models = [item for item in inner if issubclass(item, BaseModel)]
        if models:
            current = models[0]
    return list(getattr(current, "model_fields", {}))


def _types_in(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation, *(found for item in arguments for found in _types_in(item))]


def _read_yaml(path: Path) -> tuple[Any, Lines]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"cannot read {path.name}: {error}", place=str(path)) from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
        lines: Lines = {}
        _collect_lines(node, (), lines, path)
        document = yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are safe ones
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise SpecificationError(
            f"not valid YAML: {problem}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error
    except ValueError as error:
        # PyYAML lets these through, e.g. for the date 2025-02-30, and they know no line.
        line = _line_of_bad_scalar(node, loader)
        raise SpecificationError(
            f"not valid YAML: {error}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error
    except RecursionError as error:
        raise SpecificationError(
            "not valid YAML: a value holds itself, or is nested too deeply", place=f"{path}:1"
        ) from error
    return document, lines


def _line_of_bad_scalar(node: Any, loader: Any) -> int:
    """Return the line of the first scalar that cannot be turned into a value."""
    if isinstance(node, yaml.ScalarNode):
        try:
            loader("").construct_object(node)
        except ValueError:
            return int(node.start_mark.line) + 1
        return 0
    children = (
        [part for pair in node.value for part in pair]
        if isinstance(node, yaml.MappingNode)
        else node.value
    )
    return next((line for child in children if (line := _line_of_bad_scalar(child, loader))), 0)


def _collect_lines(node: Any, location: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    if node is None:
        return
    lines[location] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecificationError(
                    "not valid YAML: the name of a field must be a text",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            if key.value in seen:
                raise SpecificationError(
                    f"the field '{key.value}' stands twice",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            seen.add(key.value)
            _collect_lines(value, (*location, key.value), lines, path)
            lines[(*location, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(item, (*location, index), lines, path)

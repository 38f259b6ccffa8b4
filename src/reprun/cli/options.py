"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reprun.cli.completion import analysis_names, variant_names
from reprun.engines.choose import EngineChoice
from reprun.errors import SpecificationError

if TYPE_CHECKING:
    from reprun.documents.selection import Selection

Format = Literal["text", "json"]
Engine = EngineChoice

AnalysisArgument = Annotated[
    str,
    typer.Argument(
        metavar="ANALYSIS",
        help="Name of an analysis, or its directory.",
        autocompletion=analysis_names,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
ReportFormatOption = Annotated[
    Literal["text", "json", "junit", "markdown"],
    typer.Option("--format", help="How the result is printed."),
]
JsonFileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write JSON there.")
]
JunitFileOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML there.")
]
MarkdownFileOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Also write Markdown there.")
]
ResultsOption = Annotated[
    Path, typer.Option("--results", help="Directory for workspaces, records and reports.")
]
VariantOption = Annotated[
    str | None,
    typer.Option(help="Variant (another image) of the analysis.", autocompletion=variant_names),
]
MaxEventsOption = Annotated[
    int | None,
    typer.Option("--max-events", min=1, metavar="N", help="Only the first N events."),
]
FractionOption = Annotated[
    float | None,
    typer.Option(
        "--fraction", min=0.0, max=1.0, metavar="F", help="Only this fraction of the events."
    ),
]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Dataset of the analysis, e.g. original.")
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Override a parameter."),
]

TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-snakefile",
        help="Where no sandbox can be made: execute the Snakefile as you, unconfined.",
    ),
]
ImageMapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image-map",
        metavar="NAME=IMAGE|FILE",
        help="Of a REANA project: run IMAGE of the catalogue in the place of NAME.",
    ),
]
SkipScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--skip-scenario",
        metavar="GLOB",
        help="Of a REANA project: leave out a test (reported as a deviation).",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """ANALYSIS and the options that choose a run, as they were typed."""

    analysis: str
    variant: str | None
    dataset: str | None
    max_events: int | None
    fraction: float | None
    results: Path

    def options(self) -> Mapping[str, object]:
        """Return the values by the names of their options."""
        return {
            "--variant": self.variant,
            "--data": self.dataset,
            "--max-events": self.max_events,
            "--fraction": self.fraction,
        }

    def select(self) -> Selection:
        """Return the run that is meant, in the project of the current directory."""
        from reprun.documents.analysis import tier_of
        from reprun.documents.project import Project
        from reprun.documents.selection import select

        return select(
            Project.find(),
            self.analysis,
            variant=self.variant,
            dataset=self.dataset,
            tier=tier_of(self.max_events, self.fraction),
            results=self.results,
        )


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ANALYSIS, --variant, --data, --max-events, --fraction and --results.

    It takes them as one parameter, `asked`: what names a run is parsed in one place, and no
    command can lack an option that another has.
    """
    annotations = {
        "analysis": AnalysisArgument,
        "variant": VariantOption,
        "dataset": DataOption,
        "max_events": MaxEventsOption,
        "fraction": FractionOption,
        "results": ResultsOption,
    }
    defaults = {"analysis": inspect.Parameter.empty, "results": Path("results")}

    @functools.wraps(command)
    def chosen(**given: Any) -> None:
        asked = Asked(**{name: given.pop(name) for name in annotations})
        command(asked=asked, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(
            name,
            keyword,
            annotation=annotation,
            default=defaults.get(name),
        )
        for name, annotation in annotations.items()
    ]
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters += [one.replace(kind=keyword) for one in own if one.name != "asked"]
    # typer reads both: the signature for what there is, the annotations for its types.
    setattr(chosen, "__signature__", inspect.Signature(parameters))  # noqa: B010 - unknown to mypy
    chosen.__annotations__ = {one.name: one.annotation for one in parameters}
    return chosen


def parameters_of(given: list[str]) -> dict[str, str | int | float | bool]:
    """Return what `NAME=VALUE` texts say; a value is JSON where it can be, else text."""
    parameters: dict[str, str | int | float | bool] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SpecificationError(
                f"--parameter {text}: write NAME=VALUE", hint="reprun run --help"
            )
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        # What is not a scalar, or no number that JSON knows (NaN), is the text that was typed.
        scalar = isinstance(parsed, str | int | bool) or (
            isinstance(parsed, float) and math.isfinite(parsed)
        )
        parameters[name] = parsed if scalar else value
    return parameters

"""Arguments and options that several commands share."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from reprun.errors import SpecificationError

Format = Literal["text", "json"]
Engine = Literal["auto", "runc", "docker"]

AnalysisArgument = Annotated[
    str, typer.Argument(metavar="ANALYSIS", help="Name of an analysis, or its directory.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
ResultsOption = Annotated[
    Path, typer.Option("--results", help="Directory for workspaces, records and reports.")
]
VariantOption = Annotated[str | None, typer.Option(help="Variant (another image) of the analysis.")]
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
        "--skip-scenario", metavar="GLOB", help="Of a REANA project: leave out a test, and say so."
    ),
]


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
        # What is no scalar, or no number that JSON knows (NaN), is the text that was typed.
        scalar = isinstance(parsed, str | int | bool) or (
            isinstance(parsed, float) and math.isfinite(parsed)
        )
        parameters[name] = parsed if scalar else value
    return parameters

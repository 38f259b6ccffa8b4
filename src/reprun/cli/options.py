"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reprun.cli.completion import analysis_names, dataset_names, variant_names
from reprun.engines.choose import EngineChoice
from reprun.errors import SpecificationError

if TYPE_CHECKING:
    from reprun.documents.project import Project
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
AnalysesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="ANALYSIS…",
        help="Names of analyses, globs of names ('cms-*'), or directories.",
        autocompletion=analysis_names,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
ReportFormatOption = Annotated[
    Literal["text", "json", "junit", "markdown"],
    typer.Option("--format", help="How the result is printed."),
]
EngineOption = Annotated[Engine, typer.Option(help="auto takes the first whose self-check passes.")]
CoresOption = Annotated[
    int | None, typer.Option(min=1, help="Cores to use. Default: all there are.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Run every step, changed or not.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, which a terminal does.")]
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
    Path | None,
    typer.Option(
        "--results",
        help="Directory for workspaces, records and reports. Default: results in the project.",
    ),
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
    str | None,
    typer.Option(
        "--data", help="Dataset of the analysis, e.g. original.", autocompletion=dataset_names
    ),
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
    results: Path | None
    is_first: bool = True
    """Of several analyses the first alone says what holds for all of them."""

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
        from reprun.documents.selection import select

        return select(
            project_here(self.results, noting=self.is_first),
            self.analysis,
            variant=self.variant,
            dataset=self.dataset,
            tier=tier_of(self.max_events, self.fraction),
            results=self.results,
        )


def project_here(results: Path | None, *, noting: bool = True) -> Project:
    """Return the project of the current directory, for a command with `--results`.

    Results that are in the current directory and not those of the project are noted, if `noting`.
    """
    from reprun.cli.console import print_note
    from reprun.documents.project import RESULTS, Project
    from reprun.documents.record import RECORD

    project = Project.find()
    here = Path(RESULTS)
    elsewhere = noting and results is None and here.resolve() != project.results.resolve()
    if elsewhere and any(here.glob(f"*/*/{RECORD}")):
        print_note(
            f"note: {here}/ here is not used, results are in {project.results}; "
            f"--results {here} takes those"
        )
    return project


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ANALYSIS, --variant, --data, --max-events, --fraction and --results.

    It takes them as one parameter, `asked`: what names a run is parsed in one place, and no
    command can lack an option that another has.
    """
    return _choosing(command, AnalysisArgument, lambda analysis, rest: Asked(analysis, **rest))


def choosing_several(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `choosing`, and any number of analyses: `asked` is `Several`.

    The options hold for each of them.
    """

    def several(names: list[str], rest: Mapping[str, Any]) -> Several:
        each = (
            Asked(name, **rest, is_first=not number) for number, name in enumerate(expanded(names))
        )
        return Several(tuple(names), tuple(each))

    return _choosing(command, AnalysesArgument, several)


@dataclass(frozen=True, slots=True)
class Several:
    """Analyses and the options that choose a run of each, as they were typed."""

    typed: tuple[str, ...]
    each: tuple[Asked, ...]

    @property
    def one(self) -> Asked | None:
        """The analysis, where one was named; None for several or a glob."""
        return self.each[0] if only_one(self.typed) else None


def only_one(names: Sequence[str]) -> bool:
    """Whether one analysis was named, and not by a glob."""
    return len(names) == 1 and not _is_glob(names[0])


def expanded(names: Sequence[str]) -> list[str]:
    """Return the analyses that names and globs mean, each once.

    Raises SpecificationError for a glob that matches none.
    """
    from fnmatch import fnmatchcase

    from reprun.documents.project import Project
    from reprun.errors import did_you_mean

    found: list[str] = []
    for name in names:
        if not _is_glob(name):
            found.append(name)
            continue
        known = Project.find().analysis_names()
        matching = [each for each in known if fnmatchcase(each, name)]
        if not matching:
            raise SpecificationError(
                f"no analysis matches '{name}'{did_you_mean(name, known)}", hint="reprun list"
            )
        found += matching
    return list(dict.fromkeys(found))


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _choosing(
    command: Callable[..., None],
    argument: Any,
    chosen_by: Callable[[Any, Mapping[str, Any]], object],
) -> Callable[..., None]:
    annotations = {
        "analysis": argument,
        "variant": VariantOption,
        "dataset": DataOption,
        "max_events": MaxEventsOption,
        "fraction": FractionOption,
        "results": ResultsOption,
    }
    defaults = {"analysis": inspect.Parameter.empty}

    @functools.wraps(command)
    def chosen(**given: Any) -> None:
        options = {name: given.pop(name) for name in annotations}
        command(asked=chosen_by(options.pop("analysis"), options), **given)

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

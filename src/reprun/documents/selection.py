"""Which run is meant: chosen once, where a command line is parsed, and named the same everywhere.

A selection spells its own options and its own run directory, so that a hint names the run it
speaks of and every command that was given the same options finds the same results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun.documents.analysis import Analysis, Tier, Variant, check_name, load_analysis
from reprun.documents.manifest import Dataset
from reprun.documents.project import Project
from reprun.documents.reading import Scalar
from reprun.errors import SpecificationError
from reprun.wording import quoted


@dataclass(frozen=True, slots=True)
class Selection:
    """An analysis in one variant, on one dataset, on all or a part of its events."""

    project: Project
    """Whose images and conditions the analysis may name."""
    directory: Path
    """The directory of the analysis."""
    analysis: Analysis
    variant: str
    dataset: str | None
    """None where the analysis needs no data."""
    tier: Tier | None
    """The part of the events; None for all."""
    called: str
    """How the user named the analysis: its name or a path."""
    typed_results: Path | None = None
    """The directory of results that the user named."""

    @property
    def chosen(self) -> Variant:
        """The variant itself."""
        return self.analysis.variants[self.variant]

    @property
    def data(self) -> Dataset | None:
        """The dataset itself."""
        return None if self.dataset is None else self.analysis.datasets[self.dataset]

    @property
    def snakefile(self) -> str:
        """The workflow of the variant, below `directory`."""
        return self.chosen.snakefile or self.analysis.snakefile

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of the snapshots that the variant needs."""
        return self.analysis.conditions_of(self.variant)

    @property
    def reference(self) -> Path:
        """The directory of what the outputs are compared with."""
        return self.directory / self.analysis.reference_of(self.dataset, self.tier)

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """What analysis.yaml declares for this variant, with the tier's own value."""
        declared = {**self.analysis.parameters, **self.chosen.parameters}
        return declared if self.tier is None else {**declared, self.tier.parameter: self.tier.value}

    @property
    def options(self) -> str:
        """The options that choose this run: ` --variant root-6.37 --max-events 10000`.

        What is chosen without them is left out.
        """
        plain = self.analysis.dataset(None)
        parts = []
        if self.variant != self.analysis.variant(None)[0]:
            parts.append(f" --variant {quoted(self.variant)}")
        if plain is not None and self.dataset is not None and self.dataset != plain[0]:
            parts.append(f" --data {quoted(self.dataset)}")
        if self.tier is not None:
            parts.append(f" {self.tier.option}")
        if self.typed_results is not None:
            parts.append(f" --results {quoted(self.typed_results)}")
        return "".join(parts)

    def command(self, verb: str, *more: str) -> str:
        """Return a command line of reprun about this run; `more` is appended as it is."""
        return " ".join([f"{self.about(verb)}{self.options}", *more])

    def about(self, verb: str) -> str:
        """Return a command line of reprun about the analysis, in whichever variant."""
        return f"reprun {verb} {quoted(self.called)}"

    def data_command(self, verb: str) -> str:
        """Return a command line of `reprun data` about the dataset."""
        line = self.about(f"data {verb}")
        return line if self.dataset is None else f"{line} --data {quoted(self.dataset)}"

    @property
    def results(self) -> Path:
        """The directory that its run directory is in: that of the project, unless one is named."""
        return self.typed_results or self.project.results

    @property
    def run_directory(self) -> Path:
        """Where it runs: `results/<analysis>/<variant>.<dataset>.<tier>`."""
        parts = [self.variant]
        parts += [] if self.dataset is None else [self.dataset]
        parts += [] if self.tier is None else [self.tier.name]
        return self.results.resolve() / self.analysis.name / ".".join(parts)


def select(
    project: Project,
    called: str,
    *,
    variant: str | None = None,
    dataset: str | None = None,
    tier: Tier | None = None,
    results: Path | None = None,
) -> Selection:
    """Read an analysis and return the run of it that is meant.

    `called` is the name of an analysis of the project, or the path of one. Raises
    SpecificationError for an analysis that is not there or not right, and as `choose` does.
    """
    directory = project.analysis_directory(called)
    analysis = load_analysis(directory)
    check_name(analysis, directory)
    try:
        return choose(
            analysis,
            directory,
            project,
            called=called,
            variant=variant,
            dataset=dataset,
            tier=tier,
            results=results,
        )
    except SpecificationError as error:
        # The analysis knows its name; only here is known how the user reaches it.
        error.hint = f"reprun show {quoted(called)}"
        raise


def choose(
    analysis: Analysis,
    directory: Path,
    project: Project,
    *,
    called: str | None = None,
    variant: str | None = None,
    dataset: str | None = None,
    tier: Tier | None = None,
    results: Path | None = None,
) -> Selection:
    """Return the run that is meant; what is not given is the analysis's own default.

    Raises SpecificationError for a variant or dataset that is not there, with the nearest one,
    and for a part of the events where the analysis cannot run on a part.
    """
    name, chosen = analysis.variant(variant)
    picked = analysis.dataset(dataset)
    if tier is not None and tier.parameter not in {**analysis.parameters, **chosen.parameters}:
        raise SpecificationError(
            f"{analysis.name} cannot run on a part of its events by --{tier.flag}: it has no "
            f"parameter '{tier.parameter}'",
        )
    return Selection(
        project=project,
        directory=directory,
        analysis=analysis,
        variant=name,
        dataset=picked[0] if picked else None,
        tier=tier,
        called=called or analysis.name,
        typed_results=results,
    )

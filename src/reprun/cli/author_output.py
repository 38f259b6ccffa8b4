"""What the commands for authors of an analysis say to people."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from reprun.authoring.cite import Citing, sentence
from reprun.authoring.lint import Finding
from reprun.authoring.new import Created
from reprun.engines.base import MIB
from reprun.report.grid import indented, styled
from reprun.runs.planning import AnalysisPlan, StepPlan
from reprun.wording import count_of, listed

MOST_NAMES = 8
MOST_REASONS = 8


def plan_text(plan: AnalysisPlan) -> Iterator[RenderableType]:
    """Yield the steps in an order in which they can run."""
    cell = plan.cell
    yield styled((cell.selection.analysis.title, "bold"))
    parts = [f"variant {cell.selection.variant}"]
    parts += [f"data {cell.selection.dataset}"] if cell.selection.dataset else []
    parts += [str(cell.selection.tier)] if cell.selection.tier else []
    yield styled(" · ".join([*parts, f"runs in {os.path.relpath(cell.workspace)}"]))
    for note in _absent(plan):
        yield styled((f"note: {note}", "yellow"))
    for number, step in enumerate(plan.steps, 1):
        yield ""
        yield from _step_lines(number, step, plan)
    yield ""
    yield styled((f"{count_of(len(plan.steps), 'step')}; nothing was run", "dim"))


def _absent(plan: AnalysisPlan) -> list[str]:
    return [
        f"image {image.name} is external and has not been pulled: reprun images show {image.name}"
        for image in plan.cell.images.values()
        if not image.layers
    ]


def _step_lines(number: int, one: StepPlan, plan: AnalysisPlan) -> Iterator[Text]:
    named = ", ".join(f"{key}={value}" for key, value in one.step.wildcards.items())
    label = f"{number}. {one.step.rule}" + (f" ({named})" if named else "")
    yield styled((label, "bold"))
    yield _field("image", one.image.reference if one.image else one.step.container or "none")
    if one.fault:
        yield styled((f"   refused  {one.fault}", "red"))
    if one.container is not None:
        root = plan.cell.run_directory
        for mount in one.container.mounts:
            mode = "read-only" if mount.read_only else "read-write"
            below = mount.source.is_relative_to(root)
            source = mount.source.relative_to(root) if below else mount.source
            yield _field("mount", f"{source} at {mount.target}, {mode}")
        limits = one.container.limits
        minutes = "" if limits.seconds is None else f", {limits.seconds / 60:g} minutes"
        network = "the host's network: not hermetic" if one.container.network else "no network"
        # The figure that `mem_mb` of the rule has, not a size of ours.
        yield _field(
            "limits",
            f"{limits.cpus:g} CPU, {limits.memory_bytes // MIB} MB{minutes}, {network}",
        )
    for name in one.step.outputs:
        yield _field("writes", name)
    command = textwrap.dedent(one.step.command).strip("\n")
    first, *rest = command.expandtabs().splitlines() or [""]
    yield _field("command", first)
    for line in rest:
        yield _field("", line)


def _field(label: str, text: str) -> Text:
    return styled((f"   {label:8} ", "dim"), text, wrap=False)


def created_text(created: Created) -> Iterator[RenderableType]:
    """Yield what was made of a file, what of it was left out, and what to type next."""
    found = created.survey
    where = os.path.relpath(created.directory)
    yield f"{where}: {_found(created)}"
    for name in created.files:
        yield f"   {name}"
    drawn = [each.name for each in found.columns or found.spectra]
    yield styled(f"drawn: {', '.join(drawn)}")
    by_reason: dict[str, list[str]] = {}
    for name, why in found.left_out.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in list(by_reason.items())[:MOST_REASONS]:
        yield styled((f"left out, {why}: {listed(names, MOST_NAMES)}", "dim"))
    rest = sum(len(names) for names in list(by_reason.values())[MOST_REASONS:])
    if rest:
        yield styled((f"left out for other reasons: {rest}", "dim"))
    if not created.copied:
        yield styled("the data stay where they are; the manifest has their address")
    yield f"next: reprun run {created.target}"


def _found(created: Created) -> str:
    found = created.survey
    if found.kind == "tree":
        return f"tree {found.tree} with {found.entries:,} events"
    if found.kind == "parquet":
        return f"a Parquet file with {found.entries:,} events"
    if found.kind == "table":
        return f"a table; ranges are from its first {found.entries:,} rows"
    return f"{len(found.spectra)} histograms"


def citing_text(citing: Citing) -> Iterator[RenderableType]:
    """Yield what to cite for people to read; `--format bibtex` is for TeX."""
    yield styled((f"{citing.analysis.title}: what to cite", "bold"))
    used = f"variant {citing.variant}, image {', '.join(citing.images)}"
    for label, several in (
        ("data, and what the analysis names", citing.data),
        (f"software ({used})", citing.software),
    ):
        yield ""
        yield styled((label, "bold"))
        for each in several:
            yield indented(sentence(each), " • ")
        if not several:
            yield " none"
    if citing.uncited:
        yield styled((f" no citation known: {', '.join(citing.uncited)}", "dim"))
    if citing.acknowledgements:
        yield ""
        yield styled(("acknowledgements", "bold"))
        for thanks in citing.acknowledgements:
            yield indented(thanks, " ")
    yield ""
    yield styled(("disclaimer", "bold"))
    yield indented(citing.disclaimer, " ")


def findings_text(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """Yield findings as `file:line: level: sentence`, each with its remedy."""
    styles = {"error": "bold red", "warning": "yellow"}
    for one in findings:
        place = f"{os.path.relpath(one.file)}:{one.line}: "
        yield styled(place, (f"{one.level}: ", styles[one.level]), one.sentence, wrap=False)
        yield styled((f"    write: {one.remedy}", "dim"), wrap=False)
    errors = sum(one.level == "error" for one in findings)
    warnings = len(findings) - errors
    if not findings:
        yield styled(("nothing found: it would work elsewhere as it does here", "green"))
    else:
        yield f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}"

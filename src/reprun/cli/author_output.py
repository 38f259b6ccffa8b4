"""What the commands for authors of an analysis print on standard output."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

from rich.text import Text

from reprun.authoring.cite import Citing, sentence
from reprun.authoring.lint import Finding
from reprun.authoring.new import Created
from reprun.cli.output import MIN_WIDTH, output_console
from reprun.engines.base import MIB
from reprun.runs.planning import AnalysisPlan, StepPlan
from reprun.wording import count_of

MOST_NAMES = 8
MOST_REASONS = 8


def print_plan(plan: AnalysisPlan) -> None:
    """Print the steps in an order in which they can run."""
    console = output_console()
    cell = plan.cell
    console.print(Text(cell.selection.analysis.title, style="bold"))
    parts = [f"variant {cell.selection.variant}"]
    parts += [f"data {cell.selection.dataset}"] if cell.selection.dataset else []
    parts += [str(cell.selection.tier)] if cell.selection.tier else []
    console.print(Text(" · ".join([*parts, f"runs in {os.path.relpath(cell.workspace)}"])))
    for note in _absent(plan):
        console.print(Text(f"note: {note}", style="yellow"))
    for number, step in enumerate(plan.steps, 1):
        console.print()
        _print_step(number, step, plan)
    count = len(plan.steps)
    console.print()
    console.print(Text(f"{count} step{'s' if count != 1 else ''}; nothing was run", style="dim"))


def _absent(plan: AnalysisPlan) -> list[str]:
    return [
        f"image {image.name} is external and was never brought here: reprun images show "
        f"{image.name}"
        for image in plan.cell.images.values()
        if not image.layers
    ]


def _print_step(number: int, one: StepPlan, plan: AnalysisPlan) -> None:
    console = output_console()
    named = ", ".join(f"{key}={value}" for key, value in one.step.wildcards.items())
    label = f"{number}. {one.step.rule}" + (f" ({named})" if named else "")
    console.print(Text(label, style="bold"))
    reference = one.image.reference if one.image else one.step.container or "none"
    _field("image", reference)
    if one.fault:
        console.print(Text(f"   refused  {one.fault}", style="red"))
    if one.container is not None:
        root = plan.cell.run_directory
        for mount in one.container.mounts:
            mode = "read-only" if mount.read_only else "read-write"
            below = mount.source.is_relative_to(root)
            source = mount.source.relative_to(root) if below else mount.source
            _field("mount", f"{source} at {mount.target}, {mode}")
        limits = one.container.limits
        minutes = "" if limits.seconds is None else f", {limits.seconds / 60:g} minutes"
        network = "the host's network: not hermetic" if one.container.network else "no network"
        _field(
            "limits",
            f"{limits.cpus:g} CPU, {limits.memory_bytes // MIB} MB{minutes}, {network}",
        )
    for name in one.step.outputs:
        _field("writes", name)
    command = textwrap.dedent(one.step.command).strip("\n")
    first, *rest = command.splitlines() or [""]
    _field("command", first)
    for line in rest:
        _field("", line)


def _field(label: str, text: str) -> None:
    output_console().print(Text.assemble((f"   {label:8} ", "dim"), text), soft_wrap=True)


def print_created(created: Created) -> None:
    """Print what was made of a file, what of it was left out, and what to type next."""
    console = output_console()
    found = created.survey
    where = os.path.relpath(created.directory)
    console.print(Text(f"{where}: {_found(created)}"), soft_wrap=True)
    for name in created.files:
        console.print(Text(f"   {name}"), soft_wrap=True)
    drawn = [each.name for each in found.columns or found.spectra]
    console.print(Text(f"drawn: {', '.join(drawn)}"))
    by_reason: dict[str, list[str]] = {}
    for name, why in found.left_out.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in list(by_reason.items())[:MOST_REASONS]:
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        console.print(Text(f"left out, {why}: {', '.join(names[:MOST_NAMES])}{more}", style="dim"))
    rest = sum(len(names) for names in list(by_reason.values())[MOST_REASONS:])
    if rest:
        console.print(Text(f"left out for other reasons: {rest}", style="dim"))
    if not created.copied:
        console.print(Text("the data stay where they are; the manifest has their address"))
    console.print(Text(f"next: reprun run {created.target}"))


def _found(created: Created) -> str:
    found = created.survey
    if found.kind == "tree":
        return f"tree {found.tree} with {found.entries:,} events"
    if found.kind == "table":
        return f"a table; ranges are from its first {found.entries:,} rows"
    return f"{len(found.spectra)} histograms"


def print_citing(citing: Citing) -> None:
    """Print what to cite for people to read; `--format bibtex` is for TeX."""
    console = output_console()
    console.print(Text(f"{citing.analysis.title}: what to cite", style="bold"))
    used = f"variant {citing.variant}, image {', '.join(citing.images)}"
    for label, several in (
        ("data, and what the analysis names", citing.data),
        (f"software ({used})", citing.software),
    ):
        console.print()
        console.print(Text(label, style="bold"))
        for each in several:
            _paragraph(sentence(each), " • ")
        if not several:
            console.print(Text(" none"))
    if citing.uncited:
        console.print(Text(f" no citation known: {', '.join(citing.uncited)}", style="dim"))
    if citing.acknowledgements:
        console.print()
        console.print(Text("acknowledgements", style="bold"))
        for thanks in citing.acknowledgements:
            _paragraph(thanks, " ")
    console.print()
    console.print(Text("disclaimer", style="bold"))
    _paragraph(citing.disclaimer, " ")


def _paragraph(text: str, start: str) -> None:
    # By hand: rich pads each line with blanks, which whoever copies the text would copy too.
    for line in textwrap.wrap(
        text,
        MIN_WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    ):
        output_console().print(Text(line), soft_wrap=True)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings as `file:line: level: sentence`, each with its remedy."""
    console = output_console()
    styles = {"error": "bold red", "warning": "yellow"}
    for one in findings:
        place = f"{os.path.relpath(one.file)}:{one.line}: "
        console.print(
            Text.assemble(place, (f"{one.level}: ", styles[one.level]), one.sentence),
            soft_wrap=True,
        )
        console.print(Text(f"    write: {one.remedy}", style="dim"), soft_wrap=True)
    errors = sum(one.level == "error" for one in findings)
    warnings = len(findings) - errors
    if not findings:
        console.print(Text("nothing found: it would work elsewhere as it does here", style="green"))
    else:
        console.print(f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}")

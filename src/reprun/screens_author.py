"""What the commands for authors of an analysis print on standard output."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

from rich.text import Text

from reprun.engines.base import MIB
from reprun.lint import Finding
from reprun.planning import AnalysisPlan, StepPlan
from reprun.screens import output_console
from reprun.wording import count_of


def print_plan(plan: AnalysisPlan) -> None:
    """Print the steps in an order in which they can run."""
    console = output_console()
    cell = plan.cell
    console.print(Text(cell.analysis.title, style="bold"))
    parts = [f"variant {cell.plan.variant}"]
    parts += [f"data {cell.plan.dataset}"] if cell.plan.dataset else []
    parts += [str(cell.plan.tier)] if cell.plan.tier else []
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

"""What is known around a comparison, put to the report on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pydantic import JsonValue

from reprun.documents.analysis import Citation
from reprun.report.model import Plot, ReferenceInfo, Report, StepUsage


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around a comparison, without a look at what was compared."""

    hint: str = ""
    reference: ReferenceInfo | None = None
    causes: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    steps: tuple[StepUsage, ...] = ()
    provenance: Mapping[str, JsonValue] = field(default_factory=dict)
    citations: tuple[Citation, ...] = ()
    notes: tuple[str, ...] = ()


def in_context(report: Report, context: Context) -> Report:
    """Return a report of a comparison with what is known around it; notes come after its own."""
    found = {one.name: getattr(context, one.name) for one in fields(context)}
    return report.model_copy(update={**found, "notes": (*report.notes, *context.notes)})

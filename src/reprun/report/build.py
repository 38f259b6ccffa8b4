"""From a comparison to the report: every number that any renderer shows is made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Literal

from reprun import __version__
from reprun.compare import BinDifference, Comparison, Item, Verdict
from reprun.compare.drift import FirstDrift as Drift
from reprun.documents.analysis import ComparisonRule
from reprun.report.drawing import NOTHING, Drawing, drawn
from reprun.report.model import (
    AnalysisInfo,
    CheckResult,
    Difference,
    FirstDrift,
    IgnoredItem,
    Migration,
    Report,
    ReportItem,
    ReportTable,
    RuleUsed,
)


def build_report(
    comparison: Comparison,
    analysis: AnalysisInfo,
    *,
    first_drift: Drift | None = None,
    tables: Sequence[ReportTable] = (),
    remark: str | None = None,
    draw: bool = True,
) -> Report:
    """Return the report of one comparison; `in_context` adds what is known of the run around it.

    `remark` is what nobody should read the verdict without. Without `draw` it holds no numbers of
    plots. With it, the first objects are drawn, the worst first, up to bounds that a note names
    when they are reached.
    """
    ranked = comparison.ranked
    drawings, left_out = drawn(comparison, ranked) if draw else ({}, [])
    return Report(
        generator=f"reprun {__version__}",
        analysis=analysis,
        status=_status(comparison),
        sentence=_sentence(comparison, analysis, remark),
        counts={str(verdict): number for verdict, number in comparison.counts.items()},
        sides=comparison.words.headings,
        first_drift=None if first_drift is None else FirstDrift(**asdict(first_drift)),
        items=tuple(_item(item, drawings.get(item.name, NOTHING)) for item in ranked),
        ignored=tuple(
            IgnoredItem(name=one.name, reason=one.reason, expires=one.expires)
            for one in comparison.ignored
        ),
        notes=(*comparison.notes, *left_out),
        tables=tuple(tables),
    )


def _status(comparison: Comparison) -> Literal["reproduced", "not reproduced", "no reference"]:
    if comparison.worst is Verdict.NEW:
        return "no reference"
    return "reproduced" if comparison.reproduced else "not reproduced"


def _sentence(comparison: Comparison, analysis: AnalysisInfo, remark: str | None) -> str:
    events = f"on {analysis.tier}: " if analysis.tier else ""
    return f"{events}{comparison.sentence}" + (f" ({remark})" if remark else "")


def _item(item: Item, drawing: Drawing) -> ReportItem:
    numbers, rule, about = item.numbers, item.rule, item.about
    return ReportItem(
        name=item.name,
        title=about.title,
        class_name=about.class_name,
        verdict=item.verdict,
        passes=item.verdict.passes,
        sentence=item.sentence,
        kind=item.kind,
        rule=None if rule is None else _rule_used(rule),
        monitored_hash=item.monitored_hash,
        reference_hash=item.reference_hash,
        axes=about.axes,
        bins=about.size,
        differing=numbers.differing if numbers else 0,
        beyond=numbers.beyond if numbers else 0,
        max_ulp=numbers.max_ulp if numbers else 0.0,
        max_relative=numbers.max_relative if numbers else 0.0,
        max_pull=numbers.max_pull if numbers else None,
        worst=_difference(numbers.worst) if numbers and numbers.worst else None,
        integrals=numbers.integrals if numbers else None,
        factor=numbers.factor.value if numbers and numbers.factor else None,
        differences=tuple(_difference(one) for one in (numbers.first if numbers else ())),
        renamed_from=item.renamed_from,
        migrated=tuple(Migration(**asdict(move)) for move in item.migrated),
        checks=tuple(
            CheckResult(
                name=check.name,
                passed=check.passed,
                sentence=check.sentence,
                figures=check.figures,
            )
            for check in item.checks
        ),
        needed=item.needed,
        notes=item.notes,
        panels=drawing.panels,
        table=drawing.table,
    )


def _difference(one: BinDifference) -> Difference:
    return Difference(
        label=one.label,
        edges=one.edges,
        monitored=one.monitored,
        reference=one.reference,
        monitored_error=one.monitored_error,
        reference_error=one.reference_error,
        ratio=one.ratio,
        pull=one.pull,
    )


@lru_cache(maxsize=64)
def _rule_used(rule: ComparisonRule) -> RuleUsed:
    """Return one value a rule: of many thousand objects most share theirs."""
    return RuleUsed(
        match=rule.match,
        kind=rule.kind,
        relative=rule.relative,
        absolute=rule.absolute,
        migrated=rule.migrated,
        alpha=rule.alpha if rule.kind == "sampled" else None,
        reason=rule.reason,
        expires=rule.expires,
    )

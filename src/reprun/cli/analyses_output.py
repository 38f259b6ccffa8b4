"""What the commands about analyses say to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from reprun.documents.analysis import Analysis
from reprun.report.grid import Column, Grid, styled
from reprun.wording import count_of


def list_text(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Yield the rows of `listed`, one line for each variant."""
    if not rows:
        yield "no analysis yet; try: reprun new NAME --from FILE"
        return
    verdicts = [row.get("verdicts") or {"": row["verdict"]} for row in rows]
    longest = max(len(variant) for each in verdicts for variant in each)
    longest = max(longest, len("variant"))
    facts = [
        [str(row.get(k, "")) for k in ("name", "title", "experiment", "level")] for row in rows
    ]
    # Rows of their own would tear the title apart: the variants are lines of one row.
    lines = [
        "\n".join(f"{variant:<{longest}}   {verdict}" for variant, verdict in each.items())
        for each in verdicts
    ]
    yield Grid(
        (
            Column("name"),
            Column("title", prose=True),
            Column("experiment", spare=True),
            Column("level", spare=True),
            Column(f"{'variant':<{longest}}   last verdict here", plain=True),
        ),
        [[*row, last] for row, last in zip(facts, lines, strict=True)],
    )


def analysis_text(analysis: Analysis) -> Iterator[RenderableType]:
    """Yield what is in `analysis.yaml`."""
    yield styled((analysis.title, "bold"))
    if analysis.description.strip():
        yield styled(analysis.description.strip())
    lines = {
        "experiment": f"{analysis.experiment}, DPHEP level {analysis.dphep_level}",
        "variants": ", ".join(f"{n} (image {v.image})" for n, v in analysis.variants.items()),
        "datasets": ", ".join(
            f"{name} ({count_of(len(dataset.files), 'file')})"
            for name, dataset in analysis.datasets.items()
        ),
        "parameters": ", ".join(f"{n}={v}" for n, v in analysis.parameters.items()),
        "outputs": ", ".join(analysis.outputs.all),
    }
    for rule in analysis.compare:
        tolerance = f" within {rule.relative:g}" if rule.relative else ""
        why = f": {rule.reason}" if rule.reason else ""
        lines[f"compare {rule.match}"] = f"{rule.kind}{tolerance}{why}"
    for citation in analysis.citations:
        lines[f"cite {citation.doi or citation.record or ''}"] = citation.title
    for label, text in lines.items():
        if text:
            yield styled((f"{label}: ", "bold"), text)

"""What the commands about analyses say to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from reprun.compare.headline import integrals_in_words
from reprun.documents.analysis import Analysis
from reprun.report.grid import Column, Grid, indented, styled
from reprun.report.text import STYLES
from reprun.runs.preview import Change, Preview
from reprun.wording import count_of, name_shown

MOST_CHANGES = 30
WORDS = {"extra": "new", "missing": "removed"}
"""What a verdict on the old reference means for the new one."""


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


def preview_text(preview: Preview) -> Iterator[RenderableType]:
    """Yield what a blessing changes: a line for each object, and what to beware of."""
    yield styled((f"the new reference: {preview_summary(preview)}", "bold"))
    yield from (indented(line, "  ") for line in preview_lines(preview))


def preview_summary(preview: Preview) -> str:
    """Return how many objects a new reference has, and how many of them are new or others."""
    counts = Counter(WORDS.get(change.verdict, change.verdict) for change in preview.changes)
    known = {"identical": preview.identical, **counts, "ignored": preview.ignored}
    known["kept as they are"] = preview.kept
    parts = [f"{number:,} {what}" for what, number in known.items() if number]
    return f"{count_of(preview.objects, 'object')} ({', '.join(parts)})"


def preview_lines(preview: Preview) -> Iterator[Text]:
    """Yield a line for each object that changes, and what to beware of."""
    yield from (_change(change) for change in preview.changes[:MOST_CHANGES])
    if (left := len(preview.changes) - MOST_CHANGES) > 0:
        yield styled(f"… and {left:,} more; --format json has all")
    for name in preview.empty:
        yield styled((f"warning: {name} is empty: all its bins are zero", "yellow"))
    yield from (styled((f"note: {note}", "dim")) for note in preview.notes)


def _change(change: Change) -> Text:
    what = WORDS.get(change.verdict, change.verdict)
    before, after = change.before, change.after
    numbers = ""
    if before is not None and after is not None:
        numbers = f"  integral {integrals_in_words(before, after)}"
    elif after is not None:
        numbers = f"  integral {after:,.6g}"
    why = f"  {change.sentence}" if what not in WORDS.values() else ""
    return styled(
        (f"{what}  ", STYLES.get(change.verdict, "")),
        (name_shown(change.name), "bold"),
        f"{numbers}{why}",
    )

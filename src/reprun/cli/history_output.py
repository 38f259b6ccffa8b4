"""What the commands about the history say to people and to machines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from reprun.cli.output import shown_path
from reprun.files import is_gone
from reprun.history.changes import Change, shown
from reprun.history.comparison import TwoRuns
from reprun.history.rows import Begun, Night
from reprun.history.summary import CellHistory, Closer, shown_of
from reprun.report.grid import Column, Grid, Part, indented, styled
from reprun.report.marks import LOOKS
from reprun.wording import count_of, listed

STRIP = 20
"""Runs in the strip of a cell."""
MOST_OBJECTS = 10
MOST_DETAILS = 20


def _verdict(night: Night) -> Part:
    state = night.shown
    said = night.state if night.state == "interrupted" else state
    return f"{LOOKS[state].mark} {said}", LOOKS[state].colour


# -- reprun history ------------------------------------------------------------------------------


def overview_text(
    found: Sequence[CellHistory], begun: Sequence[Begun], path: Path, since: dt.datetime | None
) -> Iterator[RenderableType]:
    """Yield a line for each cell, and below it since when what is red is red."""
    if not found and not begun:
        yield "no run yet: each run and each cell of a matrix leaves a row; try: reprun matrix"
        return
    rows = []
    for each in found:
        nights = shown_of(each, since, STRIP)
        looks = [LOOKS[night.shown] for night in nights]
        strip = [(look.mark, look.colour) for look in looks]
        last = styled(_verdict(each.last))
        named = f"{each.cell.name}  {_data(each)}".rstrip()
        rows.append((named, styled(*strip), last, each.last.day))
    if rows:
        yield Grid(tuple(map(Column, ("cell", f"last {STRIP} runs", "now", "last run"))), rows)
    yield ""
    for each in found:
        for sentence in (each.sentence, each.flaky.sentence if each.flaky else None):
            if sentence:
                yield indented(styled((each.cell.name, "bold"), f" {sentence}"))
    for run in begun:
        what = "did not finish: its process is gone" if is_gone(run.process) else "is under way"
        started = f"the run of {run.at:%Y-%m-%d %H:%M} {what}"
        yield indented(styled((run.cell.name, "bold"), f" {started}"))
    yield f"history: {shown_path(path)}"


def _data(history: CellHistory) -> str:
    return " ".join(part for part in (history.cell.dataset, history.cell.tier) if part)


def analysis_text(
    found: Sequence[CellHistory],
    closer: Sequence[Closer],
    since: dt.datetime | None,
    most: int | None,
) -> Iterator[RenderableType]:
    """Yield the runs of each cell of an analysis, and what they tell together."""
    for number, (each, look) in enumerate(zip(found, closer, strict=True)):
        if number:
            yield ""
        nights = shown_of(each, since, most)
        about = _data(each)
        yield styled((each.cell.name, "bold"), f"  {about}" if about else "")
        if not nights:
            yield indented("no run since then", "  ")
        else:
            yield _runs(nights, look)
        left = len(each.nights) - len(nights)
        if left:
            first = each.nights[0].day
            yield styled((f"{count_of(left, 'earlier run')}, --since {first} shows all", "dim"))
        yield from _told(each, look)


def _runs(nights: Sequence[Night], look: Closer) -> RenderableType:
    rows = []
    for night in nights:
        seconds = f"{night.wall_seconds:.1f}" if night.ran and night.wall_seconds else ""
        moved = look.moved.get(night.id)
        said = listed(moved, separator="; ") if moved else ""
        if night.sentence:
            first, *rest = night.sentence.splitlines()
            said = first + (" …" if rest else "")
        elif not night.ran:
            said = "nothing ran"
        if night.origin:
            said = f"{said} (from {night.origin})".strip()
        when = f"{night.at:%Y-%m-%d %H:%M}"
        rows.append((when, night.name, styled(_verdict(night)), night.image, seconds, said))
    columns = (
        *map(Column, ("started", "run", "verdict")),
        Column("image"),
        Column("wall s", right=True),
        Column("what moved", prose=True),
    )
    return Grid(columns, rows)


def _told(history: CellHistory, look: Closer) -> Iterator[RenderableType]:
    if history.sentence:
        yield indented(styled((history.sentence, "bold red")))
    if history.flaky:
        yield indented(styled((history.flaky.sentence, "bold yellow")))
    objects = sorted(look.red_objects.items(), key=lambda each: (each[1].at, each[0]))
    for name, night in objects[:MOST_OBJECTS]:
        yield indented(styled((name, "bold"), f" does not pass since {night.day} ({night.name})"))
    if len(objects) > MOST_OBJECTS:
        yield f"… and {count_of(len(objects) - MOST_OBJECTS, 'object')} more; --format json has all"
    for jump in look.jumps:
        yield indented(styled((jump.sentence, "yellow")))


def cell_facts(history: CellHistory, look: Closer, nights: Sequence[Night]) -> dict[str, Any]:
    """Return a cell as JSON has it."""
    red, flaky = history.red, history.flaky
    return {
        "analysis": history.cell.analysis,
        "variant": history.cell.variant,
        "dataset": history.cell.dataset,
        "tier": history.cell.tier,
        "state": history.last.shown,
        "sentence": history.sentence,
        "first_bad": red.first.name if red else None,
        "last_good": red.last_good.name if red and red.last_good else None,
        "flaky": None
        if flaky is None
        else {"runs": [flaky.one.name, flaky.other.name], "objects": list(flaky.objects)},
        "objects": [
            {"name": name, "first_bad": night.name, "since": night.at.isoformat()}
            for name, night in sorted(look.red_objects.items())
        ],
        "steps": [
            {
                "name": each.step,
                "what": each.what,
                "before": each.jump.before,
                "now": each.jump.now,
                "since": each.night.at.isoformat(),
                "run": each.night.name,
            }
            for each in look.jumps
        ],
        "runs": [
            {
                "run": night.name,
                "identity": night.identity,
                "at": night.at.isoformat(),
                "image": night.image,
                "state": night.state,
                "verdict": night.verdict,
                "ran": night.ran,
                "sentence": night.sentence,
                "wall_seconds": night.wall_seconds,
                "moved": list(look.moved.get(night.id, ())),
                "origin": night.origin,
            }
            for night in nights
        ],
    }


# -- reprun diff ---------------------------------------------------------------------------------


def diff_text(found: TwoRuns, everything: bool) -> Iterator[RenderableType]:
    """Yield both runs, what differs in what they were made from, and in what they made."""
    for night, cell in zip((found.one, found.other), found.cells, strict=True):
        at = f"{night.at:%Y-%m-%d %H:%M}"
        yield indented(styled((night.name, "bold"), f"  {cell.name}  {at}  ", _verdict(night)))
    yield ""
    listed_factors = [each for each in found.factors if everything or not each.same]
    if listed_factors:
        columns = (
            Column("factor"),
            *(Column(night.name, prose=True) for night in (found.one, found.other)),
        )
        yield Grid(columns, [(e.name, shown(e.before), shown(e.now)) for e in listed_factors])
    for each in listed_factors:
        yield from _details(each)
    same = sum(each.same for each in found.factors)
    if not everything:
        yield styled((f"{count_of(same, 'factor')} the same; --all lists them", "dim"))
    yield ""
    yield from _objects(found)


def _details(change: Change) -> Iterator[RenderableType]:
    if change.unknown:
        yield indented(styled((change.name, "bold"), f": {change.unknown}"))
    if change.details:
        yield styled((f"{change.name}:", "bold"))
        yield from (indented(each, "  ") for each in change.details[:MOST_DETAILS])
        if (left := len(change.details) - MOST_DETAILS) > 0:
            yield f"  … and {left:,} more; --format json has all"


def _objects(found: TwoRuns) -> Iterator[RenderableType]:
    apart = [pair for pair in found.objects if not pair.same]
    if not found.objects:
        yield "neither run was compared with a reference"
        return
    if apart:
        columns = (Column("object"), *(Column(n.name) for n in (found.one, found.other)))
        yield Grid(
            columns,
            [
                (pair.name, *(each.verdict if each else "none" for each in (pair.one, pair.other)))
                for pair in apart[:MOST_DETAILS]
            ],
        )
        if (left := len(apart) - MOST_DETAILS) > 0:
            yield f"… and {left:,} more; --format json has all"
    same = len(found.objects) - len(apart)
    yield f"{count_of(len(apart), 'object')} with other content, {same:,} with the same"


def diff_facts(found: TwoRuns) -> dict[str, Any]:
    """Return two runs as JSON has them."""
    return {
        "runs": [
            {
                "run": night.name,
                "identity": night.identity,
                "at": night.at.isoformat(),
                "analysis": cell.analysis,
                "variant": cell.variant,
                "dataset": cell.dataset,
                "tier": cell.tier,
                "verdict": night.verdict,
                "state": night.state,
            }
            for night, cell in zip((found.one, found.other), found.cells, strict=True)
        ],
        "factors": [
            {
                "kind": each.factor.kind,
                "name": each.factor.name,
                "same": each.same,
                "before": each.before_digest,
                "now": each.now_digest,
                "before_shown": shown(each.before),
                "now_shown": shown(each.now),
                "details": list(each.details),
                "unknown": each.unknown,
            }
            for each in found.factors
        ],
        "objects": [
            {
                "name": pair.name,
                "same": pair.same,
                "before": pair.one.verdict if pair.one else None,
                "now": pair.other.verdict if pair.other else None,
                "before_deviation": pair.one.largest_deviation if pair.one else None,
                "now_deviation": pair.other.largest_deviation if pair.other else None,
            }
            for pair in found.objects
        ],
    }

"""What the command about variations says to people and to machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from reprun.documents.selection import Selection
from reprun.engines.base import EngineStatus
from reprun.flaky.measure import ITSELF, Finding, Measured, Tried
from reprun.flaky.variations import BY_NAME, Variation
from reprun.report.grid import Column, Grid, Part, indented, styled
from reprun.report.model import shown
from reprun.wording import count_of, listed

MOST_FINDINGS = 5
"""Objects of one variation that are explained."""
MOST_NAMES = 3
EVERY_DIGIT = 17
"""As many as tell any two numbers of double precision apart."""
MARKS: Mapping[str, Part] = {
    "same": ("✓ the same", "green"),
    "varies": ("✗ varies", "red"),
    "fails": ("✗ fails", "red"),
    "not varied": ("- not varied", "yellow"),
}


def list_facts(
    variations: Sequence[Variation], status: EngineStatus, lacking: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return the variations for machines."""
    rows = [
        {"name": v.name, "what": v.what, "how": v.how, "not_varied": lacking[v.name]}
        for v in variations
    ]
    return {
        "engine": asdict(status),
        "variations": rows,
    }


def list_text(
    variations: Sequence[Variation], lacking: Mapping[str, str | None]
) -> Iterator[RenderableType]:
    """Yield a line for each variation: what it changes, to what, and whether it can here."""
    yield Grid(
        (
            Column("variation"),
            Column("what varies", prose=True),
            Column("to", prose=True),
        ),
        [
            (v.name, v.what, f"not varied here: {why}" if (why := lacking[v.name]) else v.how)
            for v in variations
        ],
    )


def measured_facts(selection: Selection, found: Measured) -> dict[str, Any]:
    """Return what was found for machines."""
    return {
        "analysis": selection.analysis.name,
        "variant": selection.variant,
        "dataset": selection.dataset,
        "status": "varies" if found.varies else "the same",
        "engine": asdict(found.engine),
        "runs": found.runs,
        "objects": found.objects,
        "unknown": list(found.unknown),
        "variations": [
            {"name": one.name, "state": one.state, "why": one.why, "objects": list(one.objects)}
            for one in found.tried
        ],
        "findings": [{**asdict(one), "sentence": sentence(one)} for one in found.findings],
        "notes": list(found.notes),
    }


def measured_text(selection: Selection, found: Measured) -> Iterator[RenderableType]:
    """Yield a line for each variation, then what varies where, and the sentence of it all."""
    yield Grid(
        (Column("variation"), Column("result"), Column("objects", prose=True)),
        [(one.name, styled(MARKS[one.state]), _about(one)) for one in found.tried],
    )
    yield ""
    for name in dict.fromkeys(one.variation for one in found.findings):
        mine = [one for one in found.findings if one.variation == name]
        for one in mine[:MOST_FINDINGS]:
            yield indented(styled((one.object, "bold"), sentence(one).removeprefix(one.object)))
        if len(mine) > MOST_FINDINGS:
            more = count_of(len(mine) - MOST_FINDINGS, "more object")
            yield indented(f"{more} with {name}; --format json has all")
    for each in found.tried:
        if each.state == "fails":
            yield indented(f"with {_what(each.name)} varied, the run fails: {each.why}")
    if found.unknown:
        names = listed(found.unknown, MOST_NAMES)
        yield indented(f"not known of {names}: no digest covers all of it")
    for note in found.notes:
        yield indented(f"note: {note}")
    yield indented(conclusion(selection, found))


def conclusion(selection: Selection, found: Measured) -> str:
    """Return the sentence of it all."""
    done = [one for one in found.tried if one.name != ITSELF and one.state != "not varied"]
    left = sum(one.state == "not varied" for one in found.tried)
    not_varied = f"; {left} not varied here" if left else ""
    tried = f"{count_of(len(done), 'variation')}, {count_of(found.runs, 'run')}{not_varied}"
    name = selection.analysis.name
    if not found.varies:
        return f"{name}: nothing varies in {count_of(found.objects, 'object')} ({tried})"
    causes = [one.name for one in found.tried if one.state in ("varies", "fails")]
    named = ["by itself" if each == ITSELF else f"with {each}" for each in causes]
    return f"{name}: varies {listed(named, len(named), last=' and ')} ({tried})"


def sentence(one: Finding) -> str:
    """Return what varies with what, from which step on, and by how much."""
    if one.variation == ITSELF:
        cause = "varies by itself (a generator without a seed, the clock, or the like)"
        if one.settled_by:
            cause = f"varies with {_what(one.settled_by)} (with that held still it does not)"
    else:
        cause = f"varies with {_what(one.variation)}"
    begins = f", from step {one.step} on ({listed(one.outputs)})" if one.step else ""
    numbers = ""
    if one.place:
        numbers = f": {one.place}"
        if one.first is not None:
            now, first = _apart(one.now, one.first)
            numbers += f" is {now}, and {first} in the first run"
    return f"{one.object} {cause}{begins}{numbers}"


def _apart(now: float | None, first: float | None) -> tuple[str, str]:
    """Return two numbers with as many digits as tell them apart."""
    digits = next((n for n in (6, 9, 12) if shown(now, n) != shown(first, n)), EVERY_DIGIT)
    return shown(now, digits), shown(first, digits)


def _what(name: str) -> str:
    return "nothing" if name == ITSELF else BY_NAME[name].what


def _about(one: Tried) -> str:
    if one.state == "varies":
        return listed(one.objects, MOST_NAMES)
    return one.why.split("\n", 1)[0]

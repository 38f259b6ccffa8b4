"""What blame and bisect say to people and to machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType

from reprun.blame.attribution import Blame, Cause, described
from reprun.blame.candidates import Bisected
from reprun.history.changes import Change
from reprun.history.rows import Night
from reprun.report.grid import Column, Grid, indented, styled
from reprun.wording import count_of

MOST_DETAILS = 20


# -- reprun blame --------------------------------------------------------------------------------


def blame_text(found: Blame) -> Iterator[RenderableType]:
    """Yield the cause, the runs that prove it, and what could not be put back."""
    case = found.case
    for which, night in (("good", case.good), ("bad", case.bad)):
        at = f"{night.at:%Y-%m-%d %H:%M}"
        yield indented(styled((night.name, "bold"), f"  {which} run of {case.cell.name}, {at}"))
    yield ""
    style = "bold" if found.conclusion == "found" else "bold yellow"
    yield indented(styled((found.sentence, style)))
    for cause in found.causes:
        yield from _about(cause)
    if found.trials:
        yield ""
        columns = (Column("run", prose=True), Column("came out"), Column("step s", right=True))
        yield Grid(
            columns,
            [
                (described(case, trial.changed), trial.state, f"{trial.seconds:.1f}")
                for trial in found.trials
            ],
        )
    if case.suspects:
        yield ""
        yield "not put back, and the same in all of these runs:"
        for each in case.suspects:
            yield indented(styled((str(each.change), "bold"), f": {each.why}"), "  ")
    for note in found.notes:
        yield indented(f"note: {note}")


def _about(cause: Cause) -> Iterator[RenderableType]:
    if cause.first_step is not None:
        step = cause.first_step
        yield indented(f"the first step whose output differs: {step.name} ({step.output})")
    for moved in cause.moved:
        for change in moved.changes:
            if change.details and change.factor.kind == "image":
                told = f"packages of {change.name} that may be it, not tried one by one:"
                yield indented(told)
            elif change.details:
                yield indented(f"{change.name}:")
            yield from (indented(each, "  ") for each in change.details[:MOST_DETAILS])
            if (left := len(change.details) - MOST_DETAILS) > 0:
                yield f"  … and {left:,} more; --format json has all"


def blame_facts(found: Blame) -> dict[str, Any]:
    """Return the cause and the runs that prove it as JSON has them."""
    case = found.case
    return {
        "analysis": case.cell.analysis,
        "variant": case.cell.variant,
        "dataset": case.cell.dataset,
        "tier": case.cell.tier,
        "good": _night(case.good),
        "bad": _night(case.bad),
        "conclusion": found.conclusion,
        "sentence": found.sentence,
        "causes": [
            {
                "factors": [_change(one) for each in cause.moved for one in each.changes],
                "first_step": cause.first_step.name if cause.first_step else None,
                "first_output": cause.first_step.output if cause.first_step else None,
            }
            for cause in found.causes
        ],
        "changes": [
            *(
                {**_change(one), "put_back": True, "side": None, "why": ""}
                for each in case.moved
                for one in each.changes
            ),
            *(
                {**_change(each.change), "put_back": False, "side": each.side, "why": each.why}
                for each in case.fixed
            ),
        ],
        "runs": [
            {
                "run": described(case, trial.changed),
                "as_in_the_bad_run": [case.moved[n].name for n in sorted(trial.changed)],
                "state": trial.state,
                "outcome": trial.outcome,
                "sentence": trial.sentence,
                "step_seconds": trial.seconds,
                "contents": dict(trial.contents),
            }
            for trial in found.trials
        ],
        "notes": list(found.notes),
    }


def _night(night: Night) -> dict[str, Any]:
    return {
        "run": night.name,
        "identity": night.identity,
        "at": night.at.isoformat(),
        "state": night.state,
        "verdict": night.verdict,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.factor.kind,
        "name": change.factor.name,
        "before": change.before_digest,
        "now": change.now_digest,
        "said": str(change),
        "details": list(change.details),
        "unknown": change.unknown,
    }


# -- reprun bisect -------------------------------------------------------------------------------


def bisection_text(found: Bisected) -> Iterator[RenderableType]:
    """Yield the first bad candidate, and what was tried."""
    style = "bold" if found.first_bad else "bold yellow"
    yield indented(styled((found.sentence, style)))
    yield ""
    columns = (Column("candidate"), Column("is"), Column("verdict", prose=True))
    rows = [(e.candidate.name, e.answer, e.sentence.splitlines()[0]) for e in found.tried]
    yield Grid(columns, rows)
    between = count_of(len(found.candidates) - 1, "candidate")
    yield styled((f"{between} in {count_of(len(found.tried), 'run')}", "dim"))


def bisection_facts(found: Bisected) -> dict[str, Any]:
    """Return the search as JSON has it."""
    halved, every = found.halved, found.candidates
    return {
        "sentence": found.sentence,
        "first_bad": found.first_bad.name if found.first_bad else None,
        "about": found.first_bad.about if found.first_bad else None,
        "last_good": None if halved.contradiction else every[halved.good + 1].name,
        "not_known": [every[number + 1].name for number in halved.between],
        "contradiction": halved.contradiction,
        "candidates": [each.name for each in every],
        "runs": [
            {"candidate": each.candidate.name, "answer": each.answer, "sentence": each.sentence}
            for each in found.tried
        ],
    }

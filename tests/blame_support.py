"""What blame and bisect found, made by hand: with a text in it that no terminal should get."""

from __future__ import annotations

from pathlib import Path

from reprun.blame.attribution import Blame, Cause, FirstStep, Trial
from reprun.blame.candidates import Bisected, Candidate, Tried
from reprun.blame.case import Case, Fixed, Moved
from reprun.blame.halving import Halved
from reprun.errors import UnforeseenError
from reprun.history import rows
from reprun.history.changes import Change
from reprun.history.database import looked_into
from reprun.history.model import Factor
from tests.history_support import GOOD, Nights, digest_of


def change(kind: str, name: str, before: str, now: str, *details: str) -> Change:
    """Return a factor that has another value now."""
    was, is_now = (
        Factor.model_validate({"kind": kind, "name": name, "digest": digest_of(v), "value": v})
        for v in (before, now)
    )
    return Change(was, is_now, details)


def sample_case(results: Path, name: str) -> Case:
    """Return a case of an image, a code file that is called `name`, and a host."""
    nights = Nights(results)
    nights.add(0)
    nights.add(1, {**GOOD, "pt": "c" * 64}, bad=["pt"])
    with looked_into(nights.path) as database:
        assert database is not None
        cell = rows.cells(database)[0]
        good, bad = rows.nights(database, cell)
    return Case(
        cell,
        good,
        bad,
        by_verdict=True,
        contents={"pt": (GOOD["pt"], "c" * 64)},
        moved=(
            Moved((change("image", "columnar", "a", "b", "numpy 2.4.6 → 2.3.5"),)),
            Moved((change("code", name, "a", "b", f"line 1: + {name}"),)),
        ),
        fixed=(Fixed(change("host", "processor", "one", name), "this host", "nobody can set it"),),
        same=(),
    )


def sample_blame(results: Path, name: str) -> Blame:
    """Return a cause that was found, in the case of `sample_case`."""
    case = sample_case(results, name)
    trials = [
        Trial(frozenset(changed), state, name, "good", {name: "a" * 64}, None, 1.5)
        for changed, state in (((), "reproduced"), ((0, 1), "not reproduced"), ((0,), name))
    ]
    cause = Cause(case.moved[:1], FirstStep(name, "out/first.txt"))
    return Blame(case, "found", (cause,), tuple(trials), (name,))


def sample_bisection(name: str) -> Bisected:
    """Return a search in three candidates, one of which is called `name`."""

    def none() -> object:
        raise UnforeseenError("never asked")

    candidates = [
        Candidate(each, f"commit {each}", none)  # type: ignore[arg-type]
        for each in ("one", name, "three")
    ]
    tried = [Tried(candidates[1], "bad", name), Tried(candidates[0], "good", "reproduced")]
    return Bisected(candidates, tried, Halved(-1, 0))

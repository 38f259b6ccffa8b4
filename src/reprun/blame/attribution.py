"""The cause of a difference, proved by runs with some factors of the good run, others of the bad.

Every run is one of a copy in a directory of its own, which is removed at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reprun.blame import search
from reprun.blame.case import Case, Moved
from reprun.blame.search import Causes, Outcome
from reprun.blame.setting import Settings
from reprun.documents.record import RunRecord
from reprun.errors import IntegrityError
from reprun.history.evidence import evidence_in, made_of
from reprun.history.model import Factor
from reprun.progress import Progress
from reprun.runs.apart import Ended, run_apart
from reprun.runs.remembering import CANNOT_RUN_HERE
from reprun.runs.request import RunRequest
from reprun.store.store import Store
from reprun.wording import listed
from reprun.workflow.evidence import failed_of, last_of_each

MANY = 20
"""Runs of which more are started only when asked for."""
SET = frozenset({"image", "data", "conditions", "code", "parameter", "reference"})
"""Kinds of factors that a run has to have as they were set."""
Conclusion = Literal["found", "not put back", "not here", "unclear"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run, and what it came to."""

    changed: frozenset[int]
    """Which changes, by number, are as in the bad run."""
    state: str
    """The verdict, or `failed: ` with the kind of error and the steps that failed."""
    sentence: str
    outcome: Outcome
    contents: Mapping[str, str | None]
    """The content hash of each object."""
    record: RunRecord | None
    seconds: float
    """Of the steps that ran; those whose result was taken over take none."""


@dataclass(frozen=True, slots=True)
class FirstStep:
    """The first step of a chain that wrote something else."""

    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes the difference together, while no part of it does."""

    moved: tuple[Moved, ...]
    first_step: FirstStep | None


@dataclass(frozen=True, slots=True)
class Blame:
    """What the runs came to."""

    case: Case
    conclusion: Conclusion
    causes: tuple[Cause, ...]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say what makes the difference, or why that is not known."""
        match self.conclusion:
            case "found":
                return _said_of(self.causes)
            case "not put back":
                return self._not_put_back
            case "not here":
                return (
                    f"the bad run, made again here, is {self.trials[-1].state}: what made it bad "
                    "is not among what can be set, or is not always there"
                )
            case _:
                if not self.causes:
                    return "the cause is not clear: it would need more runs than were said"
                return (
                    f"{_said_of(self.causes)}; what the other changes make of it is as neither of "
                    "the two runs: the cause is not clear"
                )

    @property
    def _not_put_back(self) -> str:
        kept = [str(each.change) for each in self.case.suspects]
        among = listed(kept, most=6, separator="; ")
        if not self.trials and among:
            return f"nothing that differs can be put back: {among}"
        if not self.trials:
            return "nothing that is recorded differs: what made the difference is not always there"
        return (
            "with everything put back that can be, the run is still not as the good one, but "
            f"{self.trials[0].state}; not put back: {among or 'nothing that is recorded'}"
        )


def _said_of(causes: Sequence[Cause]) -> str:
    parts = []
    for cause in causes:
        names = listed(map(str, cause.moved), most=6, separator="; ", last=" and ")
        alone = len(cause.moved) == 1
        parts.append(
            f"{names} alone makes the difference"
            if alone
            else f"{names} make the difference together, and no part of them does"
        )
    return "; and so does another: ".join(parts)


@dataclass
class Attribution:
    """Runs what a search asks for."""

    case: Case
    settings: Settings
    request: RunRequest
    """What the user asked for besides the run: engine, cores, network."""
    store: Store
    progress: Progress
    trials: list[Trial] = field(default_factory=list)
    stopped: bool = False
    """Whether a search wanted more runs than were said."""

    @property
    def most_runs(self) -> int:
        """How many runs there are at most."""
        return search.most_tests(len(self.case.moved)) if self.case.moved else 0

    def blame(self) -> Blame:
        """Run and search. Raises the error of a run that this host or its network cannot make."""
        if not self.case.moved:
            return self._blame("not put back", Causes((), explained=False))
        every = frozenset(range(len(self.case.moved)))
        test = search.remembered(self._test)
        if test(frozenset()) != "good":
            return self._blame("not put back", Causes((), explained=False))
        if test(every) != "bad":
            return self._blame("not here", Causes((), explained=False))
        found = search.causes(len(self.case.moved), test)
        if self.stopped:  # a set that was found may have members that can be left out
            return self._blame("unclear", Causes((), explained=False))
        return self._blame("found" if found.explained else "unclear", found)

    def _blame(self, conclusion: Conclusion, found: Causes) -> Blame:
        return Blame(
            self.case,
            conclusion,
            tuple(self._cause(numbers) for numbers in found.sets),
            tuple(self.trials),
            tuple(self._notes()),
        )

    def _cause(self, numbers: Sequence[int]) -> Cause:
        made = {trial.changed: trial for trial in self.trials}
        good, bad = made[frozenset()].record, made[frozenset(numbers)].record
        moved = tuple(self.case.moved[number] for number in numbers)
        return Cause(moved, first_step(good, bad) if good and bad else None)

    def _notes(self) -> list[str]:
        """Say where a run made again came out otherwise than it did that night."""
        notes = [f"stopped after {len(self.trials)} runs"] if self.stopped else []
        every = frozenset(range(len(self.case.moved)))
        for trial in self.trials:
            for which, changed, side in (("good", frozenset[int](), 0), ("bad", every, 1)):
                if trial.changed != changed or not trial.contents:
                    continue
                apart = [
                    name
                    for name, hashes in self.case.contents.items()
                    if trial.contents.get(name) != hashes[side]
                ]
                if apart:
                    notes.append(
                        f"the {which} run, made again, has other content than that night: "
                        f"{listed(apart)}"
                    )
        return notes

    def _test(self, changed: frozenset[int]) -> Outcome:
        number = len(self.trials) + 1
        if number > self.most_runs:
            self.stopped = True
            return "other"
        self.progress.say(
            f"run {number} of at most {self.most_runs}: {described(self.case, changed)}"
        )
        factors = self.case.factors(changed)
        selection = self.settings.set_to(factors)
        engine = self.request.engine
        if engine == "auto":
            engine = self.settings.engine_of(factors) or engine
        request = dataclasses.replace(self.request, selection=selection, engine=engine)
        ended = run_apart(request, self.store, self.progress)
        if isinstance(ended.error, CANNOT_RUN_HERE):
            raise ended.error
        _check(ended, factors)
        trial = self._trial(changed, ended)
        self.trials.append(trial)
        self.progress.say(f"  {trial.state}")
        return trial.outcome

    def _trial(self, changed: frozenset[int], ended: Ended) -> Trial:
        report, record = ended.report, ended.record
        state = report.status if report else failure(ended)
        contents = {each.name: each.monitored_hash for each in report.items} if report else {}
        ran = [step for step in record.steps if not step.kept] if record else []
        return Trial(
            changed,
            state,
            report.sentence if report else str(ended.error),
            self._outcome(changed, state, contents),
            contents,
            record,
            sum(step.wall_seconds for step in ran),
        )

    def _outcome(
        self, changed: frozenset[int], state: str, contents: Mapping[str, str | None]
    ) -> Outcome:
        case = self.case
        if not case.by_verdict:
            for side, outcome in ((0, "good"), (1, "bad")):
                if all(contents.get(name) == both[side] for name, both in case.contents.items()):
                    return "good" if outcome == "good" else "bad"
            return "other"
        if state == (case.good.verdict or "failed"):
            return "good"
        if len(changed) == len(case.moved):
            # The bad run itself: bad as that night, by its verdict or by not getting to one.
            return "bad" if state.startswith(case.bad.verdict or "failed") else "other"
        every = frozenset(range(len(case.moved)))
        bad = next((trial.state for trial in self.trials if trial.changed == every), None)
        return "bad" if state == (bad or case.bad.verdict) else "other"


def described(case: Case, changed: frozenset[int]) -> str:
    """Say which run it is: the good or the bad one, and what of it is as in the other."""
    forward = [case.moved[number].name for number in sorted(changed)]
    back = [each.name for number, each in enumerate(case.moved) if number not in changed]
    if not forward:
        return "the good run again"
    if not back:
        return "the bad run again"
    if len(forward) <= len(back):
        return f"the good run with {listed(forward, most=5)} as in the bad one"
    return f"the bad run with {listed(back, most=5)} put back"


def failure(ended: Ended) -> str:
    """Return what tells one way of failing from another: the error, and the steps that failed."""
    steps = failed_of(ended.record.steps) if ended.record else []
    where = f" in {listed([step.name for step in steps])}" if steps else ""
    return f"failed: {type(ended.error).__name__.removesuffix('Error')}{where}"


def first_step(good: RunRecord, bad: RunRecord) -> FirstStep | None:
    """Return the first step, in the order in which they ran, that wrote something else.

    None where there is but one step, and where none wrote anything else.
    """
    before = last_of_each(good.steps)
    if len(before) < 2:
        return None
    for step in sorted(last_of_each(bad.steps).values(), key=lambda each: each.started):
        then = before.get(step.key)
        if then is None:
            continue
        for path, digest in step.outputs.items():
            if digest is not None and then.outputs.get(path) not in (None, digest):
                return FirstStep(step.name, path)
    return None


def _check(ended: Ended, factors: Sequence[Factor]) -> None:
    """Raise IntegrityError unless a run was made from what it was set to."""
    found = evidence_in(ended.selection.run_directory)
    if found is None or ended.record is None:
        return
    made = {factor.key: factor.digest for factor in made_of(found, found.judged(), {}).factors}
    for factor in factors:
        if factor.kind in SET and made.get(factor.key, factor.digest) != factor.digest:
            raise IntegrityError(
                f"a run was not made from the {factor.kind} {factor.name} it was given"
            )

"""Where a drift begins: the first step of a workflow with an output that does not pass. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reprun.documents.record import StepRecord
from reprun.wording import listed


@dataclass(frozen=True, slots=True)
class FirstDrift:
    """The earliest step whose compared outputs do not all pass, and what is known before it."""

    step: str
    """Rule and wildcards: `smear`, `generate process=zz`."""
    outputs: tuple[str, ...]
    """Those that do not pass."""
    sentence: str


def first_drift(steps: Sequence[StepRecord], passes: Mapping[str, bool]) -> FirstDrift | None:
    """Return where a drift begins; None where no step or only one could be named.

    `passes` tells of each output that is compared whether it passes. A step whose inputs come
    from a step that drifts is never named: it may only pass on what it was given. Of several
    steps that drift with nothing drifting before them the first in the workflow's order is
    named, the others in its sentence.
    """
    if len(steps) < 2:
        return None
    before = _steps_before(steps)
    failed = {
        index: tuple(path for path in step.outputs if not passes.get(path, True))
        for index, step in enumerate(steps)
    }
    begins = [
        index
        for index, outputs in failed.items()
        if outputs and not any(failed[other] for other in before[index])
    ]
    if not begins:
        return None
    # A step comes after all that it depends on, so it has more steps before it than they have.
    begins.sort(key=lambda index: (len(before[index]), steps[index].started, steps[index].job))
    first, *others = begins
    sentence = f"step {_named(steps[first], failed[first])}; "
    sentence += _before(sorted({steps[index].rule for index in before[first]}), steps, passes)
    for other in others:
        sentence += f"; step {_named(steps[other], failed[other])} drifts on its own"
    return FirstDrift(_label(steps[first]), failed[first], sentence)


def _steps_before(steps: Sequence[StepRecord]) -> list[set[int]]:
    """Return for each step all others that it depends on, over files they wrote."""
    maker = {path: index for index, step in enumerate(steps) for path in step.outputs}
    direct = [{maker[path] for path in step.inputs if path in maker} for step in steps]
    found: list[set[int]] = []
    for own in direct:
        before: set[int] = set()
        waiting = list(own)
        while waiting:
            index = waiting.pop()
            if index not in before:
                before.add(index)
                waiting.extend(direct[index])
        found.append(before)
    return found


def _before(rules: Sequence[str], steps: Sequence[StepRecord], passes: Mapping[str, bool]) -> str:
    """Say of the steps before, none of which drifts, which agree and which nobody compares."""
    if not rules:
        return "no step comes before it"
    compared = {step.rule for step in steps if passes.keys() & set(step.outputs)}
    agreeing = [rule for rule in rules if rule in compared]
    unknown = [rule for rule in rules if rule not in compared]
    parts = [f"before it {_all(agreeing)} {_verb(agreeing, 'agree')}"] if agreeing else []
    parts += [f"nothing that {_all(unknown)} made before it is compared"] if unknown else []
    return ", ".join(parts)


def _all(names: Sequence[str]) -> str:
    return listed(names, last=" and ")


def _verb(subjects: Sequence[str], verb: str) -> str:
    return verb if len(subjects) > 1 else f"{verb}s"


def _named(step: StepRecord, outputs: Sequence[str]) -> str:
    return f"{_label(step)} ({listed(outputs)})"


def _label(step: StepRecord) -> str:
    return " ".join([step.rule, *(f"{name}={value}" for name, value in step.wildcards.items())])

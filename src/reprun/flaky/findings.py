"""What varied runs tell together: which object depends on what, and from which step on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reprun.documents.record import StepRecord

Hashes = Mapping[str, str | None]
"""The content hash of each object of a run; null where no digest covers all of it."""


def differing(first: Hashes, other: Hashes) -> frozenset[str]:
    """Return the objects that two runs do not share; one without a hash in both is not known."""
    absent = object()
    return frozenset(
        name
        for name in first.keys() | other.keys()
        if first.get(name, absent) != other.get(name, absent)
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What depends on what."""

    by_itself: frozenset[str]
    """Objects that differ between runs in which nothing was varied."""
    varied: Mapping[str, frozenset[str]]
    """By variation, the objects that differ with it alone."""
    settled: Mapping[str, frozenset[str]]
    """By variation, those that differ by themselves, and no more once it holds something still."""

    def of(self, variation: str) -> frozenset[str]:
        """Return all that a variation is the cause of."""
        return self.varied.get(variation, frozenset()) | self.settled.get(variation, frozenset())


def told(
    first: Hashes,
    unvaried: Sequence[Hashes],
    varied: Mapping[str, Hashes],
    again: Mapping[str, Hashes],
) -> Told:
    """Attribute what differs from a first run.

    `unvaried` are further runs of the same setting, `varied` those with one variation each, and
    `again` second runs of variations that settle something. An object that differs by itself is
    blamed on no variation: any run may have another value of it.
    """
    by_itself = frozenset().union(*(differing(first, other) for other in unvaried))
    return Told(
        by_itself,
        {name: differing(first, other) - by_itself for name, other in varied.items()},
        {
            name: by_itself - differing(varied[name], other)
            for name, other in again.items()
            if name in varied
        },
    )


def upstream(steps: Sequence[StepRecord], path: str) -> list[StepRecord]:
    """Return the step that made a file and all that it depends on, a step after those before it."""
    makers = {made: step for step in steps for made in step.outputs}
    found: dict[str, StepRecord] = {}
    waiting = [(makers[path], False)] if path in makers else []
    seen: set[str] = set()
    while waiting:
        step, ready = waiting.pop()
        if ready:
            found[step.key] = step
        elif step.key not in seen:
            seen.add(step.key)
            waiting.append((step, True))
            waiting += [(makers[name], False) for name in step.inputs if name in makers]
    return list(found.values())


def first_step(
    steps: Sequence[StepRecord], path: str, changed: Collection[str]
) -> tuple[StepRecord, list[str]] | None:
    """Return the first step on the way to a file of which an output changed, and those outputs.

    Of the step that made the file itself, that is the file alone: no other is on its way.
    """
    for step in upstream(steps, path):
        if outputs := [name for name in step.outputs if name in changed]:
            return step, [path] if path in outputs else outputs
    return None


def changed_files(first: Sequence[StepRecord], other: Sequence[StepRecord]) -> dict[str, bool]:
    """Return whether each file that steps of both runs made has other bytes.

    A directory, and a file of a step that did not run, have no digest and are left out.
    """
    made = {path: digest for step in first for path, digest in step.outputs.items() if digest}
    return {
        path: made[path] != digest
        for step in other
        for path, digest in step.outputs.items()
        if digest and path in made
    }

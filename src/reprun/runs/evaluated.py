"""What a sandbox answers of the outputs of a run that are compared with a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reprun.runs.asked import asked
from reprun.runs.question import Evaluation, Findings, Question
from reprun.store.store import Store

PROGRAM = "reprun.runs.evaluation"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was found, and what was not as it should be."""

    found: Findings
    notes: tuple[str, ...] = ()


def evaluated(question: Question, outputs: Path, reference: Path | None, store: Store) -> Evaluated:
    """Have the outputs of a run compared with a reference, or only read, in a sandbox.

    Raises what `evaluation.evaluate` and `asked.asked` do.
    """
    given = {"outputs": outputs, **({"reference": reference} if reference is not None else {})}
    with asked(PROGRAM, question, Evaluation, given, store) as found:
        assert found.answer.found is not None
        return Evaluated(found.answer.found, found.notes)

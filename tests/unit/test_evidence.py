"""That a workflow has run follows from records and digests, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.documents.record import StepRecord
from reprun.workflow.evidence import inconsistencies, lack_of_steps, not_made, not_run
from reprun.workflow.planned import WorkflowPlan, unplanned
from tests.unit import builders
from tests.unit.builders import digest

MAKE = builders.step(inputs={}, outputs={"a": digest("a")})
PLOT = builders.step(rule="plot", job=2, inputs={"a": digest("a")}, outputs={"b": digest("b")})
PLAN = WorkflowPlan(steps=(builders.planned(MAKE), builders.planned(PLOT)))
NOW = {"a": digest("a"), "b": digest("b")}

FAILURES: tuple[dict[str, Any], ...] = (
    {"exit_code": 1},
    {"ending": "out of memory"},
    {"ending": "cancelled"},
    {"fault": "it left no a"},
    {"command": "true"},
)


def changed(record: StepRecord, **changes: Any) -> StepRecord:
    return record.model_copy(update=changes)


def test_every_planned_step_needs_a_record() -> None:
    assert list(not_run(PLAN, [MAKE, PLOT])) == []
    assert [step.rule for step in not_run(PLAN, [MAKE])] == ["plot"]
    assert [step.rule for step in not_run(PLAN, [])] == ["make", "plot"]


@pytest.mark.parametrize("failure", FAILURES)
def test_only_the_last_try_of_this_command_counts(failure: dict[str, Any]) -> None:
    bad = changed(MAKE, **failure)
    assert [step.rule for step in not_run(PLAN, [bad, PLOT])] == ["make"]
    assert [step.rule for step in not_run(PLAN, [MAKE, bad, PLOT])] == ["make"]
    assert list(not_run(PLAN, [bad, MAKE, PLOT])) == []


def test_a_run_without_a_plan_or_without_a_step_says_so() -> None:
    assert "without a plan" in str(lack_of_steps(None, [], "log", "again"))
    assert "without running make, plot" in str(lack_of_steps(PLAN, [], "log", "again"))
    assert lack_of_steps(PLAN, [MAKE, PLOT], "log", "again") is None


def test_a_target_that_no_step_made() -> None:
    assert list(not_made(["a", "b", "c"], [MAKE, PLOT])) == ["c"]
    assert list(not_made(["a"], [changed(MAKE, exit_code=1)])) == ["a"]


def test_a_file_is_the_same_for_all() -> None:
    assert list(inconsistencies(PLAN, [MAKE, PLOT], NOW.get)) == []
    other = list(inconsistencies(PLAN, [MAKE, PLOT], {**NOW, "a": digest("0")}.get))
    assert other == ["a was changed after step make had written it"]
    read = changed(PLOT, inputs={"a": digest("0")})
    assert list(inconsistencies(PLAN, [MAKE, read], NOW.get)) == [
        "step plot read another a than there is now"
    ]


def test_what_is_given_must_be_what_a_step_read() -> None:
    reads = changed(MAKE, inputs={"code.py": digest("c")})
    assert list(inconsistencies(PLAN, [reads], {**NOW, "code.py": digest("c")}.get)) == []
    assert list(inconsistencies(PLAN, [reads], {**NOW, "code.py": digest("d")}.get)) == [
        "step make read another code.py than there is now"
    ]


def test_a_temporary_file_may_be_gone() -> None:
    temporary = builders.planned(MAKE).model_copy(update={"temporary": ("a",)})
    plan = WorkflowPlan(steps=(temporary, builders.planned(PLOT)))
    assert list(inconsistencies(plan, [MAKE, PLOT], {"b": digest("b")}.get)) == []


@given(st.sets(st.sampled_from(["make", "plot"])), st.sampled_from(FAILURES))
def test_no_success_without_all_steps(ran: set[str], failure: dict[str, Any]) -> None:
    records = [one if one.rule in ran else changed(one, **failure) for one in (MAKE, PLOT)]
    assert (lack_of_steps(PLAN, records, "log", "again") is None) == (ran == {"make", "plot"})


def test_a_plan_is_held_to_what_was_expected() -> None:
    make, plot = PLAN.steps
    assert unplanned(PLAN, [plot, make]) is None
    for changes in ({"command": "id"}, {"outputs": ("c",)}, {"container": "other"}, {"threads": 9}):
        other = make.model_copy(update=changes)
        assert unplanned(PLAN, [other, plot]) == other
    new = make.model_copy(update={"rule": "more"})
    assert unplanned(PLAN, [make, plot, new]) == new
    grows = WorkflowPlan(steps=(make.model_copy(update={"checkpoint": True}), plot))
    assert unplanned(grows, [*grows.steps, new]) is None

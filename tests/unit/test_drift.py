"""The first drifting step: found by who wrote what, whatever the order of the record."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.compare.drift import FirstDrift, first_drift
from reprun.documents.record import StepRecord
from tests.unit import builders


def step(rule: str, inputs: str, outputs: str, **changes: object) -> StepRecord:
    """Return a step that reads and writes the files named by words."""
    return builders.step(
        rule=rule,
        inputs=dict.fromkeys(inputs.split()),
        outputs=dict.fromkeys(outputs.split()),
        **changes,
    )


CHAIN = (
    step("generate", "code.py", "a.npz a.root"),
    step("smear", "a.npz", "b.npz b.root"),
    step("analyse", "b.npz", "c.root yields.csv"),
    step("plot", "c.root", "plot.png"),
)
GOOD = {"a.root": True, "b.root": True, "c.root": True, "yields.csv": True}


def named(passes: dict[str, bool], steps: tuple[StepRecord, ...] = CHAIN) -> FirstDrift:
    found = first_drift(steps, passes)
    assert found is not None
    return found


def test_where_everything_passes_nothing_is_named() -> None:
    assert first_drift(CHAIN, GOOD) is None


def test_the_earliest_of_several_is_named_and_what_agrees_before_it() -> None:
    found = named(GOOD | {"b.root": False, "c.root": False, "yields.csv": False})
    assert found == FirstDrift(
        "smear", ("b.root",), "step smear (b.root); before it generate agrees"
    )


def test_several_steps_before_agree() -> None:
    found = named(GOOD | {"c.root": False, "yields.csv": False})
    assert found.outputs == ("c.root", "yields.csv")
    assert found.sentence == (
        "step analyse (c.root, yields.csv); before it generate and smear agree"
    )


def test_the_first_step_has_none_before_it() -> None:
    assert named(GOOD | {"a.root": False}).sentence == (
        "step generate (a.root); no step comes before it"
    )


def test_a_step_that_nobody_compares_is_not_said_to_agree() -> None:
    found = named({"a.root": True, "c.root": False})
    assert found.sentence == (
        "step analyse (c.root); before it generate agrees, "
        "nothing that smear made before it is compared"
    )


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_the_record_does_not_matter(order: tuple[int, ...]) -> None:
    """Steps taken over from an earlier run stand first in a record, whatever they are."""
    steps = tuple(CHAIN[index] for index in order)
    assert named(GOOD | {"b.root": False, "c.root": False}, steps).step == "smear"


def test_branches_that_drift_on_their_own_are_all_named() -> None:
    steps = (
        step("generate", "", "h.npz h.root", wildcards={"process": "higgs"}),
        step("generate", "", "z.npz z.root", wildcards={"process": "zz"}, job=2),
        step("analyse", "h.npz z.npz", "c.root"),
    )
    both = {"h.root": False, "z.root": False, "c.root": False}
    assert named(both, steps) == FirstDrift(
        "generate process=higgs",
        ("h.root",),
        "step generate process=higgs (h.root); no step comes before it; "
        "step generate process=zz (z.root) drifts on its own",
    )
    one = named(both | {"h.root": True}, steps)
    assert one.step == "generate process=zz"
    assert "on its own" not in one.sentence


def test_a_workflow_of_one_step_has_nothing_to_tell_apart() -> None:
    assert first_drift(CHAIN[:1], {"a.root": False}) is None


def test_a_failure_that_no_step_made_names_no_step() -> None:
    """As when the reference holds an object of an output that is no longer declared."""
    assert first_drift(CHAIN, {"elsewhere.root": False}) is None


def test_steps_that_depend_on_each_other_end_the_search() -> None:
    """Snakemake refuses such a workflow; a record that was edited must not hang the report."""
    steps = (step("one", "b", "a"), step("two", "a", "b"))
    assert first_drift(steps, {"a": False, "b": False}) is None


@given(st.lists(st.booleans(), min_size=2, max_size=8))
def test_in_a_line_it_is_the_first_that_fails(passes: list[bool]) -> None:
    steps = [step(f"s{n}", f"f{n - 1}", f"f{n}") for n in range(len(passes))]
    found = first_drift(steps, {f"f{n}": passed for n, passed in enumerate(passes)})
    if all(passes):
        assert found is None
    else:
        assert found is not None
        assert found.step == f"s{passes.index(False)}"

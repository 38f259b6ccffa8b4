"""The plan: what a backend is told, and each answer to "what has to run again?"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.documents.analysis import tier_of
from reprun.documents.record import Inputs
from reprun.errors import SpecificationError
from reprun.runs.plan import Plan, make_plan, what_to_run
from reprun.workflow.rerun import Everything, Nothing, Rules
from tests.unit import builders
from tests.unit.builders import digest


def plan(**changes: Any) -> Plan:
    return make_plan(builders.selection(), builders.lock(**changes), {"image": builders.image()})


OUTPUTS = dict(builders.record().outputs)


def test_defaults() -> None:
    made = plan()
    chosen = made.selection
    assert (chosen.variant, chosen.dataset, chosen.snakefile) == ("columnar", "small", "Snakefile")
    assert made.config == {
        "bins": 10,
        "scale": 1.5,
        "image": f"columnar@{digest('1')}",
        "dataset": "small",
    }
    assert made.targets == ("results/h.json", "results/t.csv")
    assert made.inputs == builders.inputs()


def test_command_line_wins_over_variant_wins_over_analysis() -> None:
    def bins(variant: str | None = None, **given: Any) -> object:
        made = make_plan(
            builders.selection(variant=variant),
            builders.lock(),
            {"image": builders.image("legacy")},
            **given,
        )
        assert made.config["bins"] == made.inputs.parameters["bins"]
        assert made.config["scale"] == 1.5
        return made.config["bins"]

    assert bins() == 10
    assert bins(variant="legacy") == 20
    assert bins(variant="legacy", parameters={"bins": 30}) == 30


def test_further_images_have_entries_of_their_own() -> None:
    images = {"image": builders.image(), "image_generator": builders.image("generator", "5")}
    made = make_plan(builders.selection(), builders.lock(), images)
    assert made.config["image"] == f"columnar@{digest('1')}"
    assert made.config["image_generator"] == f"generator@{digest('5')}"
    assert made.inputs.images == {"columnar": digest("1"), "generator": digest("5")}


def test_a_tier_sets_the_parameter_that_it_is_made_by() -> None:
    parameters = {"max_events": 0, "scale": 1.5}
    analysis = builders.analysis(parameters=parameters)
    images = {"image": builders.image()}
    made = make_plan(builders.selection(analysis, tier=tier_of(100, None)), builders.lock(), images)
    assert made.config["max_events"] == made.inputs.parameters["max_events"] == 100
    with pytest.raises(SpecificationError, match="by --fraction: it has no parameter"):
        builders.selection(analysis, tier=tier_of(None, 0.5))


def test_variant_brings_its_snakefile_and_dataset_its_files() -> None:
    made = make_plan(
        builders.selection(variant="legacy", dataset="large"),
        builders.lock(),
        {"image": builders.image("legacy", "5")},
    )
    assert made.selection.snakefile == "Snakefile.legacy"
    assert made.inputs.images == {"legacy": digest("5")}
    assert made.inputs.datasets == {"large": {"data/b.csv": digest("a")}}
    assert made.config["dataset"] == "large"


def test_without_data() -> None:
    selection = builders.selection(builders.analysis(datasets={}))
    made = make_plan(selection, builders.lock(), {"image": builders.image()})
    assert selection.dataset is None
    assert "dataset" not in made.config
    assert made.inputs.datasets == {}


@pytest.mark.parametrize("wrong", [{"variant": "x"}, {"dataset": "x"}])
def test_unknown_names_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecificationError):
        builders.selection(**wrong)


# -- what has to run again --------------------------------------------------------------------


def test_never_run() -> None:
    again = what_to_run(plan(), None, {})
    assert again == Everything("it has not run here yet")


def test_nothing_changed() -> None:
    assert what_to_run(plan(), builders.record(), OUTPUTS) == Nothing("nothing changed")


CODE = dict(builders.lock().code)
# what changed since the record, everything again?, reason
CHANGED: dict[str, tuple[dict[str, Any], bool, str]] = {
    "declared code": ({"code": CODE | {"code/x.py": digest("0")}}, False, "code/x.py changed"),
    "undeclared code": ({"code": CODE | {"code/y.py": digest("0")}}, True, "code/y.py changed"),
    "both": (
        {"code": CODE | {"code/x.py": digest("0"), "code/y.py": digest("0")}},
        True,
        "code/x.py, code/y.py changed",
    ),
    "new code": ({"code": CODE | {"code/z.py": digest("0")}}, True, "code/z.py changed"),
    "code gone": ({"code": {"code/x.py": digest("d")}}, True, "Snakefile, code/y.py changed"),
    "declared data": (
        {"datasets": {"small": {"data/a.csv": digest("0")}, "large": {}}},
        False,
        "data/a.csv changed",
    ),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_changed_file(kind: str) -> None:
    changes, everything, reason = CHANGED[kind]
    again = what_to_run(plan(**changes), builders.record(), OUTPUTS)
    assert again == (Everything(reason) if everything else Rules(reason, ("make",)))


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ({"images": {"columnar": digest("0")}}, "the image changed"),
        ({"parameters": {"bins": 11, "scale": 1.5}}, "a parameter changed"),
        ({"parameters": {"bins": 10}}, "a parameter changed"),
        ({"parameters": {"bins": 10.0, "scale": 1.5}}, "a parameter changed"),
        ({"outputs": ("results/h.json",)}, "the list of outputs changed"),
        (
            {"images": {}, "parameters": {}, "outputs": (), "code": {}},
            "the image, a parameter, the list of outputs and 3 more changed",
        ),
    ],
)
def test_what_snakemake_cannot_see_runs_everything(before: dict[str, Any], reason: str) -> None:
    last = builders.record(inputs=builders.inputs(**before))
    assert what_to_run(plan(), last, OUTPUTS) == Everything(reason)


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_an_unfinished_run_goes_on(status: str) -> None:
    last = builders.record(status=status)
    again = what_to_run(plan(), last, OUTPUTS)
    assert again == Rules(f"the last run was {status}")


def test_a_step_that_failed_runs_again_though_a_later_result_is_there() -> None:
    done = builders.record()
    failed = done.steps[0].model_copy(update={"exit_code": 1})
    last = done.model_copy(update={"status": "failed", "steps": (failed,)})
    assert what_to_run(plan(), last, OUTPUTS) == Rules("the last run was failed", (failed.rule,))
    tried_again = last.model_copy(update={"steps": (failed, done.steps[0])})
    assert what_to_run(plan(), tried_again, OUTPUTS) == Rules("the last run was failed")


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_an_unfinished_run_of_something_else_starts_again(status: str) -> None:
    last = builders.record(status=status, inputs=builders.inputs(parameters={}))
    assert isinstance(what_to_run(plan(), last, OUTPUTS), Everything)


@pytest.mark.parametrize("now", [None, digest("0")])
def test_an_output_gone_or_edited_runs_its_rule(now: str | None) -> None:
    again = what_to_run(plan(), builders.record(), OUTPUTS | {"results/t.csv": now})
    assert again == Rules("the output results/t.csv is gone or was edited", ("plot",))


def test_outputs_of_several_rules() -> None:
    again = what_to_run(plan(), builders.record(), {})
    reason = "the output results/h.json, results/t.csv is gone or was edited"
    assert again == Rules(reason, ("make", "plot"))


def test_an_output_of_no_known_rule_runs_everything() -> None:
    last = builders.record(steps=(builders.step(),))
    for left in ({}, {"results/h.json": OUTPUTS["results/h.json"]}):
        assert isinstance(what_to_run(plan(), last, left), Everything)


PARAMETERS = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from([0, 1, 1.0, True, False, "1", "true"])
)
INPUTS = st.builds(
    Inputs,
    images=st.dictionaries(st.just("columnar"), st.sampled_from("xy")),
    code=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from("xy")),
    parameters=PARAMETERS,
    outputs=st.tuples(st.sampled_from("xy")),
)


@given(INPUTS, INPUTS)
@pytest.mark.slow
def test_nothing_runs_if_and_only_if_all_inputs_are_equal(before: Inputs, now: Inputs) -> None:
    made = plan()
    made = Plan(**{name: getattr(made, name) for name in made.__slots__} | {"inputs": now})
    again = what_to_run(made, builders.record(inputs=before), OUTPUTS)
    assert isinstance(again, Nothing) == (before.digest == now.digest)
    assert again.reason


def test_the_plan_names_the_conditions_of_its_variant() -> None:
    variants = {"columnar": {"image": "columnar", "conditions": ["two"]}}
    locked = {
        name: {"kind": "table", "files": {"a": digest(letter)}}
        for name, letter in (("one", "a"), ("two", "b"), ("three", "c"))
    }
    analysis = builders.analysis(conditions=["one"], variants=variants)
    selection = builders.selection(analysis)
    made = make_plan(selection, builders.lock(conditions=locked), {"image": builders.image()})
    assert made.inputs.conditions == {"one": {"a": digest("a")}, "two": {"a": digest("b")}}
    record = builders.record(inputs=made.inputs)
    changed = locked | {"two": {"kind": "table", "files": {"a": digest("d")}}}
    again = make_plan(selection, builders.lock(conditions=changed), {"image": builders.image()})
    what = what_to_run(again, record, OUTPUTS)
    assert what == Everything("the conditions two changed")

"""`outputs: trees:`: blessed by the digest of each column, compared, and drift is located."""

from __future__ import annotations

import datetime as dt
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from reprun.documents.analysis import ComparisonRule
from reprun.errors import OutputMissingError
from reprun.report.model import AnalysisInfo, Report
from reprun.runs.evaluation import evaluate
from reprun.runs.outputs import read_outputs
from reprun.runs.question import Question
from reprun.runs.reference import bless, write_objects
from tests.unit import builders

STEPS = (
    builders.step(rule="select", inputs={"code.py": None}, outputs={"out/events.root": None}),
    builders.step(rule="fill", inputs={"out/events.root": None}, outputs={"out/n.csv": None}),
)
OUTPUTS = ("out/n.csv", "out/events.root")


def columns(**changed: Any) -> dict[str, Any]:
    return {"event": np.arange(4, dtype="u8"), "pt": np.arange(4.0), "eta": np.ones(4), **changed}


class Run:
    """The outputs of a run, and its reference."""

    def __init__(self, directory: Path) -> None:
        self.outputs, self.reference = directory / "outputs", directory / "reference"
        (self.outputs / "out").mkdir(parents=True)

    def makes(self, count: int, events: dict[str, Any]) -> None:
        (self.outputs / "out/n.csv").write_text(f"row,n\nall,{count}\n")
        with uproot.recreate(self.outputs / "out/events.root") as file:
            file.mktree("Events", {name: values.dtype for name, values in events.items()})
            file["Events"].extend(events)

    def bless(self) -> None:
        objects = read_outputs(self.outputs, OUTPUTS, OUTPUTS[1:])
        bless(
            self.reference,
            partial(write_objects, objects),
            builders.record(),
            reason="right",
            author="A. Nobody",
        )

    def report(self, *rules: ComparisonRule) -> Report:
        question = Question(
            analysis=AnalysisInfo(name="tiny", title="Tiny"),
            outputs=OUTPUTS,
            trees=OUTPUTS[1:],
            rules=rules,
            today=dt.date(2026, 1, 1),
            shared_events=True,
            steps=STEPS,
        )
        return evaluate(question, self.outputs, self.reference).report


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path)
    made.makes(4, columns())
    made.bless()
    return made


def test_the_reference_is_digests_and_the_number_of_entries(run: Run) -> None:
    (known,) = json.loads((run.reference / "undecoded.json").read_text())["objects"].values()
    assert known["parts"].keys() == {"number of entries", "event", "pt", "eta"}
    assert known["parts"].pop("number of entries") == "4"
    assert all(digest.startswith("sha256:") for digest in known["parts"].values())
    assert run.report().reproduced


def test_the_columns_that_differ_and_the_step_are_named(run: Run) -> None:
    run.makes(5, columns(pt=np.ones(4), eta=np.zeros(4)))
    report = run.report()
    (item,) = [item for item in report.items if item.name == "Events"]
    assert item.sentence == "differs in eta, pt"
    assert "digests only" in item.needed
    assert report.first_drift is not None
    assert report.first_drift.sentence == "step select (out/events.root); no step comes before it"


def test_of_many_columns_that_differ_all_are_named(run: Run) -> None:
    names = [f"x{number}" for number in range(6)]
    run.makes(4, {name: np.zeros(4) for name in names})
    run.bless()
    run.makes(4, {name: np.ones(4) for name in names})
    (item,) = [item for item in run.report().items if item.name == "Events"]
    assert item.sentence == (
        "differs in x0, x1, x2 and 3 more; the columns that differ: x0, x1, x2, x3, x4, x5"
    )


def test_events_that_are_missing_are_counted(run: Run) -> None:
    run.makes(4, {name: values[:3] for name, values in columns().items()})
    (item,) = [item for item in run.report().items if item.name == "Events"]
    assert item.sentence.startswith("has 3 entries, reference 4")


def test_a_column_may_be_ignored(run: Run) -> None:
    run.makes(4, columns(pt=np.ones(4)))
    rule = ComparisonRule(match="Events/pt", kind="ignore", reason="calibrated again")
    assert run.report(rule).reproduced


@pytest.mark.parametrize("made", ["histogram", "nothing"])
def test_an_output_that_should_have_a_tree_and_has_none_is_no_pass(run: Run, made: str) -> None:
    with uproot.recreate(run.outputs / "out/events.root") as file:
        if made == "histogram":
            file["h"] = np.histogram([1.0])
    for look in (run.report, run.bless):
        with pytest.raises(OutputMissingError, match=r"out/events\.root has no tree or table"):
            look()


def test_an_analysis_declares_trees() -> None:
    analysis = builders.analysis(outputs={"trees": ["out/events.root"], "plots": ["a.png"]})
    assert analysis.outputs.compared == ("out/events.root",)
    assert analysis.outputs.all == ("out/events.root", "a.png")


def test_a_table_of_events_is_one(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("run,event,pt\n1,1,2.5\n1,2,3.5\n")
    assert read_outputs(tmp_path, ["events.csv"], ["events.csv"]).unread["events"].is_tree
    (tmp_path / "events.csv").write_text("row,pt\na,2.5\n")
    with pytest.raises(OutputMissingError, match="has no tree"):
        read_outputs(tmp_path, ["events.csv"], ["events.csv"])

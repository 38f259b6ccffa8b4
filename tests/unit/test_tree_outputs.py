"""`outputs: trees:`: blessed by digests and small values, compared, and drift is located."""

from __future__ import annotations

import datetime as dt
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from reprun.documents.analysis import ComparisonRule
from reprun.errors import OutputMissingError, SpecificationError
from reprun.histograms import read_objects
from reprun.report.model import AnalysisInfo, Report
from reprun.runs import kept_events
from reprun.runs.evaluation import evaluate
from reprun.runs.outputs import read_outputs
from reprun.runs.question import Question
from reprun.runs.reference import KnownByBytes, bless, load_reference, write_objects
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


@pytest.fixture
def large(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with a tree of which the reference keeps no value."""
    monkeypatch.setattr(kept_events, "LARGEST_KEPT", 40)
    run.bless()
    return run


def test_the_reference_of_a_large_tree_is_digests_and_the_number_of_entries(large: Run) -> None:
    run = large
    (known,) = json.loads((run.reference / "undecoded.json").read_text())["objects"].values()
    assert known["parts"].keys() == {"number of entries", "event", "pt", "eta"}
    assert known["parts"].pop("number of entries") == "4"
    assert all(digest.startswith("sha256:") for digest in known["parts"].values())
    assert known["columns"] == {}
    assert run.report().reproduced


def test_the_columns_that_differ_and_the_step_are_named(large: Run) -> None:
    run = large
    run.makes(5, columns(pt=np.ones(4), eta=np.zeros(4)))
    report = run.report()
    (item,) = [item for item in report.items if item.name == "Events"]
    assert item.sentence == "differs in eta, pt"
    assert "only digests" in item.needed
    assert report.first_drift is not None
    assert report.first_drift.sentence == "step select (out/events.root); no step comes before it"


def test_of_many_columns_that_differ_all_are_named(large: Run) -> None:
    run = large
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


def test_the_events_of_a_small_tree_are_named_and_take_tolerances(run: Run) -> None:
    run.makes(4, columns(pt=np.array([0.0, 1.0, 2.0, 3.000001]), eta=np.array([1, 1, np.nan, 1])))
    (item,) = [item for item in run.report().items if item.name == "Events"]
    assert item.sentence == (
        "differs in event 2: eta nan / 1; 2 of 4 events differ (pt in 1, eta in 1); "
        "then event 3: pt 3.000001 / 3; events are matched by event (guessed from their names)"
    )
    rules = [
        ComparisonRule(match="Events/eta", kind="ignore", reason="calibrated again"),
        ComparisonRule(match="Events/pt", kind="float", relative=1e-6, reason="other rounding"),
    ]
    assert run.report(*rules).reproduced
    run.makes(4, columns(pt=np.array([0.0, 1.0, 2.0, 3.1])))
    assert not run.report(*rules).reproduced


def test_every_kind_of_column_is_kept_as_it_is(tmp_path: Path) -> None:
    """In particular the numbers for which JSON has no word, and values that are missing."""
    held = {
        "x": pa.array([1.1, float("nan"), float("-inf"), -0.0], pa.float32()),
        "n": pa.array([2**64 - 1, 0, 1, 2], pa.uint64()),
        "flag": pa.array([True, False, True, True]),
        "some": pa.array([1.5, None, 2.5, None]),
        "word": pa.array(["a", "null", None, "\u00e9"]),
        "list": pa.array([[1.5, 2.5], [], [3.5], []]),
        "record": pa.array([{"a": 1.5}, None, {"a": None}, {"a": 2.5}]),
    }
    for number, table in enumerate((held, {name: one[:0] for name, one in held.items()})):
        pq.write_table(pa.table(table), tmp_path / f"{number}.parquet")
        one = read_objects(tmp_path / f"{number}.parquet").unread[str(number)]
        text = KnownByBytes.of(one).model_dump_json()
        kept = KnownByBytes.model_validate_json(text).unread()
        assert (kept, one.events is not None) == (one, True)
        assert one.events is not None
        assert kept.events is not None
        with one.events.opened() as made, kept.events.opened() as back:
            assert (back.columns, back.entries) == (made.columns, made.entries)
            for name in held:
                a, b = made.column(name), back.column(name)
                assert (a.type, a.values.dtype, a.values.tobytes() if a.values.dtype != object
                        else a.values.tolist()) == (
                    b.type, b.values.dtype, b.values.tobytes() if b.values.dtype != object
                    else b.values.tolist())  # fmt: skip
                assert (a.counts is None) == (b.counts is None)
                assert a.counts is None or a.counts.tolist() == b.counts.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('"[0.0,1.0,2.0,3.0]"', '"[0.0,1.0,2.0]"'),
        ('"[0.0,1.0,2.0,3.0]"', '"[0.0,1.0,2.0,[3.0]]"'),
        ('"[0.0,1.0,2.0,3.0]"', '"[0.0,1.0,2.0,\\"x\\"]"'),
        ('"[0.0,1.0,2.0,3.0]"', '"{}"'),
        ('"[0.0,1.0,2.0,3.0]"', '"[' + "[" * 5000 + '"'),
        ('"[0,1,2,3]"', '"[0,1,2,-3]"'),
        ('"kind": "uint64"', '"kind": "datetime64"'),
    ],
)
def test_values_that_are_not_those_of_a_tree_are_refused(run: Run, said: str, instead: str) -> None:
    path = run.reference / "undecoded.json"
    text = path.read_text()
    assert text.count(said) == 1
    path.write_text(text.replace(said, instead))
    with pytest.raises(SpecificationError, match=r"undecoded\.json cannot be read"):
        load_reference(run.reference)


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

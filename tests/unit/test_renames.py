"""An object that both sides have under two names is one sentence, and passes by a map alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reprun.cli.main import program
from reprun.compare import Comparison, Item, Verdict, compare
from reprun.errors import SpecificationError
from reprun.histograms import DataObject, Histogram, Objects, Unread, write_histograms
from reprun.histograms.events import ENTRIES
from reprun.histograms.model import BYTES
from reprun.report import build_report, render_html, render_junit, render_markdown
from reprun.report.grid import plain_text
from reprun.report.model import AnalysisInfo, Report
from reprun.report.text import renderable
from reprun.runs.evaluation import evaluate
from reprun.runs.lock import specification
from reprun.runs.question import Question
from tests.compare_support import TODAY, A, B, filled
from tests.unit import builders


def run(here: dict[str, DataObject], there: dict[str, DataObject]) -> Comparison:
    return compare(Objects(here), Objects(there), [], TODAY)


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {item.name: str(item.verdict) for item in comparison.items}


def only_renamed(comparison: Comparison) -> Item:
    (item,) = (item for item in comparison.items if item.verdict is Verdict.RENAMED)
    return item


def test_a_rename_is_one_sentence_and_fails() -> None:
    found = run({"a": A, "new": B}, {"a": A, "old": B})
    assert verdicts(found) == {"a": "identical", "new": "renamed"}
    assert not found.reproduced
    assert found.sentence == (
        "not reproduced: 1 of 2 objects renamed: new was 'old' in the reference, identical"
    )
    item = only_renamed(found)
    assert (item.sentence, item.renamed_from) == ("renamed: old → new, identical", "old")
    assert item.needed == 'bless the new name, or write into analysis.yaml: map: {"old": "new"}'


def test_every_form_says_it_once_with_what_accepts_it() -> None:
    report = build_report(
        run({"a": A, "new": B}, {"a": A, "old": B}), AnalysisInfo(name="x", title="x")
    )
    line = 'map: {"old": "new"}'
    said = "renamed: old → new, identical"
    text = plain_text(renderable(report), 140)
    assert said in text
    assert f"new, to pass: bless the new name, or write into analysis.yaml: {line}" in text
    assert said in render_markdown(report)
    failure = ET.fromstring(render_junit(report)).find(".//failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == (said, "renamed")
    assert line in str(failure.text)
    page = render_html(report)
    assert said in page
    assert 'badge">renamed<' in page
    (item,) = (item for item in report.items if item.name == "new")
    assert item.renamed_from == "old"
    assert item.panels[0].same  # drawn beside what it was
    for form in (text, page, render_markdown(report)):
        assert "the run did not make it" not in form


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"new": B, "new2": B}, {"old": B}),
        ({"new": B}, {"old": B, "old2": B}),
        ({"new": B, "same": B}, {"old": B, "same": B}),
    ],
)
def test_what_could_be_more_than_one_is_none(
    here: dict[str, DataObject], there: dict[str, DataObject]
) -> None:
    found = run({"a": A, **here}, {"a": A, **there})
    assert "renamed" not in verdicts(found).values()
    assert {"extra", "missing"} <= set(verdicts(found).values())


def test_what_is_empty_or_stores_something_else_is_no_rename() -> None:
    empty = filled(np.array([]))
    found = run({"a": A, "new": empty}, {"a": A, "old": empty})
    assert verdicts(found) == {"a": "identical", "new": "extra", "old": "missing"}
    filled_once_more = dataclasses.replace(B, entries=1.0)
    found = run({"a": A, "new": filled_once_more}, {"a": A, "old": B})
    assert verdicts(found) == {"a": "identical", "new": "extra", "old": "missing"}


def test_trees_and_what_is_known_by_bytes() -> None:
    def renamed(**parts: str) -> list[str]:
        here = Objects({"a": A}, {"new": Unread("TTree", parts)})
        there = Objects({"a": A}, {"old": Unread("TTree", parts)})
        return [str(item.verdict) for item in compare(here, there, [], TODAY).items]

    assert renamed(**{BYTES: "1"}) == ["identical", "renamed"]
    assert renamed(**{ENTRIES: "4", "pt": "1"}) == ["identical", "renamed"]
    assert renamed(**{ENTRIES: "0", "pt": "1"}) == ["identical", "extra", "missing"]
    assert renamed() == ["identical", "extra", "missing"]


def test_many_are_found() -> None:
    rng = np.random.default_rng(1)
    made = [Histogram("h", A.axes, rng.poisson(50.0, 52).astype(float)) for _ in range(300)]
    here: dict[str, DataObject] = {f"new/{n}": thing for n, thing in enumerate(made)}
    there: dict[str, DataObject] = {f"old/{n}": thing for n, thing in enumerate(made)}
    found = compare(Objects(here), Objects(there), [], TODAY)
    assert found.counts == {Verdict.RENAMED: 300}
    assert only_named(found, "new/7").renamed_from == "old/7"


def only_named(comparison: Comparison, name: str) -> Item:
    return next(item for item in comparison.items if item.name == name)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    for file, name in (("new.json", "m4l new"), ("old.json", "m4l")):
        things = [dataclasses.replace(A, name="a"), dataclasses.replace(B, name=name)]
        write_histograms(tmp_path / file, things)
    return str(tmp_path / "new.json"), str(tmp_path / "old.json")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program(), ["compare", *arguments])


def test_the_option_that_is_advised_accepts_it(files: tuple[str, str]) -> None:
    found = call(*files)
    assert found.exit_code == 1
    assert "m4l new, to pass: one name on both sides, or --map 'm4l=m4l new'" in found.stdout
    assert call(*files, "--map", "m4l=m4l new").exit_code == 0
    said = json.loads(call(*files, "--format", "json").stdout)
    assert {one["name"]: one["renamed_from"] for one in said["items"]} == {
        "a": None,
        "m4l new": "m4l",
    }


def test_a_map_that_fits_nothing_is_refused_on_a_command_line(files: tuple[str, str]) -> None:
    error = call(*files, "--map", "m4=x").exception
    assert isinstance(error, SpecificationError)
    assert error.message == "--map m4=x: the reference has no 'm4'. Did you mean 'm4l'?"


def test_a_map_of_analysis_yaml_accepts_it_and_says_when_it_is_not_needed(tmp_path: Path) -> None:
    reference, outputs = tmp_path / "reference", tmp_path / "outputs"
    for directory, name in ((reference, "old"), (outputs, "new")):
        directory.mkdir()
        write_histograms(directory / "h.json", [dataclasses.replace(B, name=name)])

    def evaluated(maps: dict[str, str]) -> Report:
        question = Question(
            analysis=AnalysisInfo(name="x", title="x"),
            outputs=("h.json",),
            rules=(),
            map=maps,
            today=TODAY,
            shared_events=True,
            steps=(),
        )
        return evaluate(question, outputs, reference).report

    assert not evaluated({}).reproduced
    assert evaluated({"old": "new"}).reproduced
    idle = evaluated({"old": "new", "older": "x"})
    assert idle.reproduced
    assert idle.notes == ("map older=x: the reference has no 'older'. Did you mean 'old'?",)
    with pytest.raises(SpecificationError, match=r"map o\*=new: write one '\*' on both sides"):
        evaluated({"o*": "new"})


def test_a_map_decides_what_is_evaluated() -> None:
    """A report of before the map was written is not taken for the verdict."""
    analysis = builders.analysis().model_copy(update={"map": {"old": "new"}})
    assert "map" in specification(analysis)
    assert "map" not in specification(builders.analysis())


def test_how_many_objects_are_left_out_is_said() -> None:
    here: dict[str, DataObject] = {f"h{n}": A for n in range(8)}
    there: dict[str, DataObject] = {f"h{n}": B for n in range(8)}
    report = build_report(run(here, there), AnalysisInfo(name="x", title="x"))
    said = "of 8 objects that do not pass; --format json has all"
    assert f"details of 3 {said}" in plain_text(renderable(report), 140)
    assert f"details of 5 {said}" in render_markdown(report).replace("\\", "")
    assert render_junit(report).count("to pass: ") == 8
    few = build_report(run({"h0": A}, {"h0": B}), AnalysisInfo(name="x", title="x"))
    assert "details of" not in plain_text(renderable(few), 140) + render_markdown(few)

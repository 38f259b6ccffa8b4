"""JSON of limits, fits and workspaces: each value by its path, under the same ladder and rules."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reprun.bounded import limits
from reprun.compare import Comparison, Item, Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError, OutputMissingError
from reprun.histograms import Objects, read_all, read_objects, read_reference_values, write_values
from reprun.histograms.files import file_of
from reprun.histograms.model import Table
from reprun.histograms.workspaces import pyhf_digest
from reprun.report import values_to_show
from reprun.report.model import AnalysisInfo
from reprun.runs.compare_files import Files, compare_files
from reprun.runs.compared import answered
from reprun.runs.evaluation import evaluate
from reprun.runs.question import Question
from reprun.runs.reference import bless, load_reference, write_objects
from tests.compare_support import TODAY
from tests.real_data import shared_data
from tests.unit.builders import record, step

LIMIT: dict[str, Any] = {"observed": 0.3, "expected": [0.1, 0.2, 0.4], "poi": "mu", "ok": True}
PATHS = ["/expected/0", "/expected/1", "/expected/2", "/observed", "/ok", "/poi"]
WORKSPACE = "pyhf/2-bin_1-channel.json"


def read(path: Path, document: Any) -> Objects:
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return read_objects(path)


def compared(tmp_path: Path, one: Any, other: Any, *rules: ComparisonRule) -> Comparison:
    sides = [read(tmp_path / "x.json", side) for side in (one, other)]
    return compare(sides[0], sides[1], rules, TODAY)


def failures(tmp_path: Path, one: Any, other: Any, *rules: ComparisonRule) -> list[str]:
    found = compared(tmp_path, one, other, *rules).failures
    return [f"{item.name}: {item.verdict}: {item.headline}" for item in found]


def rule(match: str, **more: Any) -> ComparisonRule:
    return ComparisonRule.model_validate({"match": match, "kind": "float", "reason": "r"} | more)


def test_values_go_by_their_paths(tmp_path: Path) -> None:
    assert sorted(read(tmp_path / "x.json", LIMIT)) == PATHS


def test_the_ladder_is_that_of_histograms(tmp_path: Path) -> None:
    changed = copy.deepcopy(LIMIT)
    changed["expected"][2] = 0.41
    assert compared(tmp_path, LIMIT, LIMIT).sentence == "reproduced: 6 objects, all identical"
    assert failures(tmp_path, changed, LIMIT) == [
        "/expected/2: changed: the value is 0.41, reference 0.4"
    ]
    allowed = compared(tmp_path, changed, LIMIT, rule("/expected/*", relative=0.03), rule("*"))
    assert {item.name: item.verdict for item in allowed.items}["/expected/2"] is Verdict.EQUAL
    assert failures(tmp_path, changed, LIMIT, rule("/expected/2", kind="ignore")) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.3", "not comparable: is a string, reference a number"),
        (True, "not comparable: is a boolean, reference a number"),
        (None, "not comparable: is a null, reference a number"),
        (float("nan"), "different: the value is nan, reference 0.3"),
        ([0.3], "missing"),
        ({}, "not comparable: is a mapping, reference a number"),
    ],
)
def test_another_kind_of_value_is_no_number(tmp_path: Path, value: Any, words: str) -> None:
    found = failures(tmp_path, LIMIT | {"observed": value}, LIMIT)
    assert any(words in each for each in found), found


SAME: dict[str, tuple[str, str]] = {
    "order of keys": ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    "white space": ('{"a": [1, 2]}', '{"a":\n[1,2]}'),
    "escapes": ('{"a": "\\u00b5"}', '{"a": "µ"}'),
    "1.0 for 1": ('{"a": 1}', '{"a": 1.0}'),
    "NaN on both sides": ('{"a": NaN, "b": Infinity}', '{"a": NaN, "b": Infinity}'),
}
APART: dict[str, tuple[str, str]] = {
    "order of a list": ("[1, 2]", "[2, 1]"),
    "a longer list": ("[1, 2]", "[1, 2, 2]"),
    "true for 1": ('{"a": true}', '{"a": 1}'),
    "false for 0": ('{"a": false}', '{"a": 0}'),
    "a string for a number": ('{"a": "1"}', '{"a": 1}'),
    "null for nothing": ('{"a": null, "b": 1}', '{"b": 1}'),
    "an empty list for a mapping": ('{"a": [], "b": 1}', '{"a": {}, "b": 1}'),
    "a list for a mapping": ('{"a": [5]}', '{"a": {"0": 5}}'),
    "a key with a slash": ('{"a/b": 5}', '{"a": {"b": 5}}'),
    "a quoted key": ('{"a": {"0": 5}}', '{"a": {"\\"0\\"": 5}}'),
    "integers beyond 2^53": ('{"a": 9007199254740993}', '{"a": 9007199254740992}'),
    "integers beyond every float": (f'{{"a": {"9" * 400}}}', f'{{"a": {"8" * 400}}}'),
    "infinity for a large integer": (f'{{"a": {"9" * 400}}}', '{"a": Infinity}'),
    "minus infinity": ('{"a": -Infinity}', '{"a": Infinity}'),
    "the last bit": ('{"a": 0.1}', '{"a": 0.10000000000000002}'),
}


@pytest.mark.parametrize("name", SAME)
def test_what_json_writes_in_two_ways_is_one_value(tmp_path: Path, name: str) -> None:
    assert compared(tmp_path, *SAME[name]).reproduced


@pytest.mark.parametrize("name", APART)
def test_what_json_tells_apart_differs(tmp_path: Path, name: str) -> None:
    one, other = APART[name]
    assert not compared(tmp_path, one, other).reproduced
    assert not compared(tmp_path, other, one).reproduced


def test_zero_is_a_value_like_any_other(tmp_path: Path) -> None:
    """An agreement of zeros has no power in a histogram; a limit of zero is one."""
    assert compared(tmp_path, {"a": 0}, {"a": 0}).sentence == "reproduced: 1 object, identical"


@pytest.mark.parametrize("text", ["{}", "[]"])
def test_an_empty_document_proves_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(NothingToCompareError):
        compared(tmp_path, text, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is duplicated"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' is duplicated"),
        ("[" * 200 + "]" * 200, "nested more than 100 levels deep"),
        ('{"a": ' + "9" * 5000 + "}", "more than 4,300 digits"),
        ('{"a": }', "is not valid JSON"),
        ('{"\\\\ud800": 1, "\\ud800": 2}', "the path '/\\ud800' is duplicated"),
        (json.dumps([1] * 100_001), "more than 100,000 values"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(OutputMissingError) as caught:
        read(tmp_path / "x.json", text)
    assert words in caught.value.message
    assert len(caught.value.message) < 500


def test_a_document_beyond_the_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = limits.Limit(10, "bytes", "", "documents")
    monkeypatch.setattr(limits, "JSON_BYTES", small)
    with pytest.raises(OutputMissingError, match="more than 10 bytes"):
        read(tmp_path / "x.json", LIMIT)


# -- workspaces -----------------------------------------------------------------------------------


def workspace() -> Any:
    return json.loads((shared_data() / WORKSPACE).read_text())


def test_a_workspace_goes_by_channel_sample_and_modifier(tmp_path: Path) -> None:
    found = read(tmp_path / "w.json", workspace())
    sample = "/channels/singlechannel/samples/background"
    assert found[f"{sample}/data"].values.ravel().tolist() == [50, 60]
    assert f"{sample}/modifiers/shapesys/uncorr_bkguncrt/data" in found
    assert found["/observations/singlechannel/data"].describe_bin((1, 0)) == "bin 2"
    assert "/measurements/Measurement/config/poi" in found


def test_a_bin_of_a_workspace_is_named(tmp_path: Path) -> None:
    changed = workspace()
    changed["channels"][0]["samples"][1]["data"][1] = 61.0
    assert failures(tmp_path, changed, workspace()) == [
        "/channels/singlechannel/samples/background/data: changed: bin 2 is 61, reference 60"
    ]


def test_the_order_of_named_lists_says_nothing(tmp_path: Path) -> None:
    other = workspace()
    other["channels"][0]["samples"].reverse()
    assert compared(tmp_path, other, workspace()).reproduced
    other["channels"][0]["samples"][0]["data"].reverse()
    assert not compared(tmp_path, other, workspace()).reproduced


def test_names_that_are_there_twice_name_nothing(tmp_path: Path) -> None:
    other = workspace()
    other["channels"].append(copy.deepcopy(other["channels"][0]))
    found = read(tmp_path / "w.json", other)
    assert "/channels/1/samples/signal/data" in found
    assert compared(tmp_path, other, other).reproduced
    assert not compared(tmp_path, other, workspace()).reproduced


def test_a_mapping_is_no_list_with_names(tmp_path: Path) -> None:
    other = workspace()
    channel = other["channels"][0]
    other["channels"] = {channel.pop("name"): channel}
    assert not compared(tmp_path, other, workspace()).reproduced


def test_the_digest_of_a_workspace_is_that_of_pyhf() -> None:
    """pyhf hashes `json.dumps(…, sort_keys=True, ensure_ascii=False)`, with its spaces."""
    assert pyhf_digest({"a": 2.0}) is None
    found = pyhf_digest(workspace())
    # What pyhf.utils.digest of pyhf 0.7.6 returns for this file.
    assert found == "sha256:dad8822af55205d60152cbe4303929042dbd9d4839012e055e7c6b6459d68d73"
    reordered = dict(reversed(workspace().items()))
    assert pyhf_digest(reordered) == found


def test_a_comparison_of_workspaces_names_their_digests(tmp_path: Path) -> None:
    for name, made in (("a", workspace()), ("b", workspace() | {"version": "1.0.1"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    a, b = (tmp_path / name for name in ("a.json", "b.json"))
    same = compare_files(Files(a, a), answered)
    assert same.notes == (f"both workspaces have the pyhf digest {pyhf_digest(workspace())}",)
    assert "the pyhf digests differ" in compare_files(Files(a, b), answered).notes[0]


# -- outputs of an analysis -----------------------------------------------------------------------


def test_a_declared_document_has_the_name_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "fit").mkdir()
    for name in ("limits.json", "fit/limits.json", "fit/ws.json"):
        (tmp_path / name).write_text(json.dumps({"a": 1}))
    both = [tmp_path / "limits.json", tmp_path / "fit/ws.json"]
    assert sorted(read_all([], tmp_path, documents=both)) == ["limits.json:/a", "ws.json:/a"]
    clash = [tmp_path / "limits.json", tmp_path / "fit/limits.json"]
    found = read_all([], tmp_path, documents=clash)
    assert sorted(found) == ["fit/limits.json:/a", "limits.json:/a"]
    assert file_of("fit/limits.json:/a", [], tmp_path, documents=clash) == clash[1]
    assert file_of("other.json:/a", [], tmp_path, documents=clash) is None


@pytest.mark.parametrize(
    "document",
    [
        LIMIT,
        {"n": 2**53 + 1, "list": [2**53 + 1, {}], "none": None, "deep": [[], {"2012": "µ\n"}]},
        {"tiny": 5e-324, "zero": -0.0, "third": 1 / 3},
    ],
)
def test_a_reference_of_values_is_the_same_values(tmp_path: Path, document: Any) -> None:
    (tmp_path / "x.json").write_text(json.dumps(document))
    made = read_all([], tmp_path, documents=[tmp_path / "x.json"])
    tables = {name: found for name, found in made.items() if isinstance(found, Table)}
    write_values(tmp_path / "documents.json", tables)
    again = read_reference_values(tmp_path / "documents.json")
    assert compare(made, again, (), TODAY).sentence.endswith("identical")
    assert all(item.verdict is Verdict.IDENTICAL for item in compare(made, again, (), TODAY).items)


def test_a_reference_of_a_workspace_is_the_same_workspace(tmp_path: Path) -> None:
    made = read(tmp_path / "w.json", workspace())
    tables = {name: found for name, found in made.items() if isinstance(found, Table)}
    write_values(tmp_path / "documents.json", tables)
    items: tuple[Item, ...] = compare(
        made, read_reference_values(tmp_path / "documents.json"), (), TODAY
    ).items
    assert {item.verdict for item in items} == {Verdict.IDENTICAL}


def test_documents_are_blessed_and_compared_with_other_outputs(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "limits.json").write_text(json.dumps(LIMIT))
    (outputs / "yields.csv").write_text("cut,events\nall,5\n")
    made = read_all([outputs / "yields.csv"], outputs, documents=[outputs / "limits.json"])
    reference = tmp_path / "reference"
    written = bless(reference, partial(write_objects, made), record(), reason="r", author="a")
    assert written == ["documents.json", "yields.csv", "blessed.json", "log.jsonl"]
    assert set(load_reference(reference)) == {"yields", *(f"limits.json:{path}" for path in PATHS)}

    def evaluated() -> Any:
        question = Question(
            analysis=AnalysisInfo(name="a", title="A"),
            outputs=("yields.csv",),
            documents=("limits.json",),
            rules=(rule("limits.json:/expected/2", relative=0.03), rule("*", kind="count")),
            today=TODAY,
            shared_events=True,
            steps=(
                step(outputs={"yields.csv": "sha256:0"}),
                step(rule="fit", job=2, inputs={"yields.csv": "sha256:0"},
                     outputs={"limits.json": "sha256:0"}),
            ),
        )  # fmt: skip
        return evaluate(question, outputs, reference).report

    assert evaluated().reproduced
    assert [table.title for table in evaluated().tables] == ["yields", "limits.json"]
    changed = copy.deepcopy(LIMIT)
    changed["expected"][2], changed["expected"][0] = 0.41, 0.11
    (outputs / "limits.json").write_text(json.dumps(changed))
    report = evaluated()
    assert report.sentence.endswith(
        "1 of 7 objects changed: limits.json:/expected/0 the value is 0.11, reference 0.1"
    )
    assert report.first_drift.step == "fit"
    assert report.first_drift.outputs == ("limits.json",)


@pytest.mark.parametrize(
    "text",
    [
        "[]", '{"values": {}}', '{"schema_version": 2, "values": {}}',
        '{"schema_version": 1, "values": []}', '{"schema_version": 1, "values": {"a": [true]}}',
        '{"schema_version": 1, "values": {"a": {"b": 1}}}',
    ],
)  # fmt: skip
def test_a_broken_reference_of_values_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "documents.json").write_text(text)
    with pytest.raises(OutputMissingError, match=r"documents\.json is not a readable"):
        read_reference_values(tmp_path / "documents.json")


def test_the_numbers_of_a_document_are_shown(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text(json.dumps(LIMIT | {"toys": list(range(30))}))
    (table,) = values_to_show(read_all([], tmp_path, documents=[tmp_path / "limits.json"]))
    assert (table.title, table.rows[0]) == ("limits.json", ("/observed", 0.3))
    assert table.caption == "the first 20 of 34 numbers"

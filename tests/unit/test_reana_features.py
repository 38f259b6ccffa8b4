"""Feature files read and compared with a run: each sentence as it holds and as it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.digests import CHUNK
from reprun.errors import OutputMissingError, SpecificationError
from reprun.reana.local.acceptance import by_us, judge_features
from reprun.reana.local.gherkin import read_feature
from reprun.reana.local.sentences import SENTENCES, check_of
from tests.reana_evidence import evidence

DATA = Path(__file__).resolve().parents[1] / "data" / "reana"
MEANING = {"holds": "passed", "wrong": "failed", "skipped": "skipped"}


def written(directory: Path, text: str) -> Path:
    path = directory / "some.feature"
    path.write_text(text)
    return path


def test_every_sentence_is_held_against_the_run(tmp_path: Path) -> None:
    feature = read_feature(DATA / "sentences.feature")
    judged = list(by_us(feature, evidence(tmp_path)))
    assert len(judged) > 35
    for one in judged:
        assert one.status == MEANING[one.scenario.name.partition(":")[0]], one
        assert bool(one.sentence) == (one.status != "passed"), one


def test_every_sentence_but_the_engines_log_is_in_that_file() -> None:
    feature = read_feature(DATA / "sentences.feature")
    said = [(step.kind, step.text) for one in feature.scenarios for step in one.steps]
    unused = [
        pattern.pattern
        for sentence in SENTENCES
        for pattern in sentence.patterns
        if not any(kind == sentence.kind and pattern.fullmatch(text) for kind, text in said)
    ]
    assert len(unused) == 1
    assert "engine" in unused[0]


def test_a_feature_is_read(tmp_path: Path) -> None:
    feature = read_feature(DATA / "sentences.feature")
    assert feature.name == "Every sentence"
    several = next(one for one in feature.scenarios if one.name == "holds: several lines")
    first, last = several.steps
    assert (first.kind, first.text) == ("action", "the workflow execution completes")
    assert last.text.endswith('should contain "variables\n---------\n(a0,a1)"')
    assert (last.kind, last.line) == ("outcome", several.line + 1)


def test_backgrounds_rules_and_outlines_become_plain_scenarios(tmp_path: Path) -> None:
    feature = read_feature(
        written(
            tmp_path,
            "Feature: f\n  Background:\n    When a\n  Rule: r\n    Background:\n      And b\n"
            '    Scenario Outline: s <n>\n      Then c <n>\n        """\n        d <n>\n'
            '        """\n      And e\n        | t |\n'
            "      Examples:\n        | n |\n        | 1 |\n        | 2 |\n",
        )
    )
    assert [(one.name, one.line) for one in feature.scenarios] == [("s 1", 16), ("s 2", 17)]
    assert [(s.kind, s.text, s.line, s.table) for s in feature.scenarios[1].steps] == [
        ("action", "a", 3, False),
        ("action", "b", 6, False),
        ("outcome", 'c 2 "d 2"', 8, False),
        ("outcome", "e", 12, True),
    ]


def test_a_word_in_a_description_is_no_keyword(tmp_path: Path) -> None:
    text = "Feature: f\n  Given time, Features: many.\n\n  Scenario: a\n    * x\n"
    [scenario] = read_feature(written(tmp_path, text)).scenarios
    assert [(step.kind, step.text) for step in scenario.steps] == [("unknown", "x")]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("Scenario: a\n", 1, "before any `Feature:`"),
        ("Feature: f\n\nFeature: g\n", 3, "a second `Feature:`"),
        ("# nothing\n", 1, "there is no `Feature:`"),
        ("Feature: f\n  Scenario: a\n    Then x\n    so what\n", 4, "neither a step nor a table"),
        ('Feature: f\n  Scenario: a\n    Then x\n      """\n      y\n', 4, "without its end"),
        ('Feature: f\n  Scenario: a\n    """\n    """\n', 3, "before any step"),
        ("Feature: f\n  Examples:\n", 2, "Examples without"),
        ('Feature: f\n  Scenario: a\n    Then x\n    """\n    y\n    """\n    z\n', 7, "neither"),
        ("Feature: f\n\n  Background:\n  Background:\n    Given x\n", 4, "not the first block"),
        ("Feature: f\n  Scenario: a\n    * x\n  Background:\n", 4, "neither a step"),
        ("Feature: f\n  @tag\n", 2, "the file ends"),
        ("Feature: f\n  @a b\n  Scenario: a\n", 2, "tag may not contain whitespace"),
        ("# language: fr\nFeature: f\n", 1, "only English"),
        ("# language: xx\nFeature: f\n", 1, "Language not supported: xx"),
        (
            "Feature: f\n Scenario Outline: a\n  Then <x>\n  Examples:\n  | x |\n  | 1 | 2 |\n",
            6,
            "a different number of cells",
        ),
    ],
)
def test_what_is_no_gherkin_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(SpecificationError, match=words) as caught:
        read_feature(written(tmp_path, text))
    assert (caught.value.place or "").endswith(f"some.feature:{line}")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("Then the moon should be green", "line 3: REANA knows no `the moon should be green`"),
        ("Given the workflow is finished", "REANA knows no"),
        ("When the workflow is finished", "no `Then`, so it checks nothing"),
        ("Then the workflow should be finished\n    | a |", "REANA knows no"),
        ('Then the engine logs should contain "Publishing step:0"', "is on REANA only"),
        ("", "no `Then`"),
    ],
)
def test_what_is_not_understood_is_named_and_does_not_pass(
    tmp_path: Path, steps: str, words: str
) -> None:
    path = written(tmp_path, f"Feature: f\n  Scenario: a\n    {steps}\n")
    [judged] = by_us(read_feature(path), evidence(tmp_path / "workspace", engine_log=None))
    assert judged.status == "not understood"
    assert words in judged.sentence


def test_snakemakes_own_log_is_the_engines(tmp_path: Path) -> None:
    check = check_of("outcome", 'the engine logs should contain "2 of 2 steps"')
    assert check is not None
    check(evidence(tmp_path, engine_log="2 of 2 steps (100%) done"))


def test_scenarios_are_left_out_by_name_only(tmp_path: Path) -> None:
    text = "Feature: f\n  Scenario: a\n    Then x\n  Scenario: b\n    Then y\n"
    feature, run = read_feature(written(tmp_path, text)), evidence(tmp_path / "workspace")
    judged = judge_features([feature], run, ["a*"])
    assert [one.status for one in judged] == ["left out", "not understood"]
    with pytest.raises(SpecificationError, match="matches no scenario; there are: a; b"):
        judge_features([feature], run, ["c"])


def test_a_link_out_of_the_workspace_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("words")
    run = evidence(tmp_path / "workspace")
    (run.workspace / "link").symlink_to(tmp_path / "secret")
    check = check_of("outcome", 'the file "link" should contain "words"')
    assert check is not None
    with pytest.raises(Exception, match="has no file link"):
        check(run)


def test_a_link_on_the_way_to_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("words")
    run = evidence(tmp_path / "workspace")
    (run.workspace / "link").symlink_to(tmp_path / "elsewhere")
    assert "link/secret" not in run.files
    with pytest.raises(OutputMissingError, match="link"), run.open("link/secret"):
        pass


def test_words_are_found_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    run = evidence(tmp_path / "workspace")
    (run.workspace / "large").write_bytes(bytes(CHUNK - 3) + b"words" + bytes(10))
    found = check_of("outcome", 'the file "large" should contain "words"')
    absent = check_of("outcome", 'the file "large" should contain "wordy"')
    assert found is not None
    assert absent is not None
    found(run)
    with pytest.raises(Exception, match='large does not contain "wordy"'):
        absent(run)

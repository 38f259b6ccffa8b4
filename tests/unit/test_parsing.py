"""Documents that ask for too much are refused with a sentence and a line, at once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.bounded import limits
from reprun.bounded.parsing import compose_yaml, construct_yaml, parse_json, parse_toml
from reprun.documents.analysis import Analysis, load_analysis
from reprun.documents.project import read_project
from reprun.documents.reading import read_document, validated
from reprun.errors import ReprunError, SpecificationError
from tests.hostile_documents import BROKEN_YAML, DEEP, LONG, YAML, bomb, names

SECONDS = 10.0
JSON = {
    "lists": "[" * 100_000,
    "lists, closed": "[" * 50_000 + "]" * 50_000,
    "mappings": '{"a":' * 50_000,
    "both": '[{"a":' * 50_000,
    "just too deep": "[" * DEEP + "]" * DEEP,
    "strings between": '["]",' * 5_000,
    "an escaped quote": '["\\"]",' * 5_000,
    "an open string": "[" * 200 + '"' + "x" * 100_000,
    "digits": '{"a": ' + "1" * LONG + "}",
    "negative digits": '{"a": -' + "1" * LONG + "}",
    "digits in a list": '{"a": [1, 2, ' + "1" * LONG + "]}",
    "bytes": " " * (limits.JSON_BYTES.value + 1),
}
TOML = {
    "lists": "a = " + "[" * 50_000,
    "lists, closed": "a = " + "[" * 50_000 + "]" * 50_000,
    "mappings": "a = " + "{b = " * 50_000,
    "both": "a = " + "[{b = " * 50_000,
    "just too deep": "a = " + "[" * DEEP + "]" * DEEP,
    "strings between": "a = " + "[']', " * 5_000,
    "comments between": "a = " + "[ # ]\n" * 5_000,
    "parts of a key": "a." * 50_000 + "b = 1",
    "quoted parts": '"a".' * 50_000 + "b = 1",
    "parts with blanks": "a . " * 50_000 + "b = 1",
    "parts of a table": "[" + "a." * 50_000 + "b]",
    "parts of an array": "[[" + "a." * 50_000 + "b]]",
    "parts inside": "x = {" + "a." * 50_000 + "b = 1}",
    "digits": f"a = {'1' * LONG}",
    "hexadecimal": f"a = 0x{'f' * LONG}",
    "octal": f"a = 0o{'7' * 3 * LONG}",
    "binary in a list": f"a = [{{b = 0b{'1' * 8 * LONG}}}]",
    "bytes": "#" * (limits.TOML_BYTES.value + 1),
}
SUFFIXES: dict[str, dict[str, str]] = {
    ".yaml": YAML | BROKEN_YAML,
    ".json": JSON,
    ".toml": TOML,
}
CASES = [(suffix, name) for suffix, texts in SUFFIXES.items() for name in texts]


def refused(path: Path) -> SpecificationError:
    started = time.monotonic()
    with pytest.raises(SpecificationError) as error:
        read_document(path)
    assert time.monotonic() - started < SECONDS
    return error.value


@pytest.mark.parametrize(("suffix", "name"), CASES, ids=str)
def test_what_asks_for_too_much_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"analysis{suffix}"
    path.write_text(SUFFIXES[suffix][name], encoding="utf-8")
    error = refused(path)
    assert len(error.message) < 300
    assert str(path) in (error.place or "")


@pytest.mark.parametrize("name", names(YAML))
def test_an_analysis_that_asks_for_too_much_is_an_error_of_its_own(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "analysis.yaml").write_text(YAML[name])
    with pytest.raises(SpecificationError, match=r"^cannot read analysis\.yaml: ") as error:
        load_analysis(tmp_path)
    assert error.value.hint


@pytest.mark.parametrize(
    ("suffix", "text", "words", "line"),
    [
        (".yaml", "a: 1\nb:\n  " + "[" * 500, "nested more than 100 levels deep", 3),
        (".yaml", "a: 1\n" + bomb(9, 9), "aliases repeat more than 100,000 values", 8),
        (".yaml", "b: 1\na: &a [*a]", "the value 'a' holds itself", 2),
        (".yaml", f"b: 1\na: {'1' * LONG}", "a number has more than 4,300 digits", 2),
        (".json", "{\n" + '"a":' + "[" * 500, "nested more than 100 levels deep", 2),
        (".json", '{\n"a":\n' + "1" * LONG + "}", "a number has more than 4,300 digits", 3),
        (".toml", "b = 1\na = " + "[" * 500, "nested more than 100 levels deep", 2),
        (".toml", "b = 1\n" + "a." * 500 + "a = 1", "a key has more than 20 parts", 2),
        (".toml", f"b = 1\na = {'1' * LONG}", "a number has more than 4,300 digits", 2),
    ],
)
def test_the_line_is_named(tmp_path: Path, suffix: str, text: str, words: str, line: int) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(text)
    error = refused(path)
    assert words in error.message
    assert error.place == f"{path}:{line}"
    assert error.hint == f"${{EDITOR:-vi}} +{line} {path}"


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml"])
@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: \xe9", b"\xed\xa0\x80", b"a\x80" * 9, b"\xc0"])
def test_what_is_not_text_is_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert "utf-8" in refused(path).message


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml"])
def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path, suffix: str) -> None:
    directory, pipe, endless = (tmp_path / f"{name}{suffix}" for name in "abc")
    directory.mkdir()
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    for path in (directory, pipe):
        assert "not a regular file" in refused(path).message
    assert "leads out of the project" in refused(endless).message


@pytest.mark.parametrize(
    ("suffix", "text", "says"),
    [
        (".yaml", "a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}, e: *a}", {"d": 1, "e": [1, 2]}),
        (".yaml", "c: " + "[" * 97 + "]" * 97, None),
        (".yaml", 'c: "' + "[" * 5_000 + '"', "[" * 5_000),
        (".yaml", "c: |\n  " + "[{" * 5_000, "[{" * 5_000),
        (".yaml", f"c: '{'1' * LONG}x'", "1" * LONG + "x"),
        (".yaml", "c: 0x" + "f" * 3000, 16**3000 - 1),
        (".json", '{"c": "' + "[" * 5_000 + '"}', "[" * 5_000),
        (".json", '{"c": "' + '[\\"' * 5_000 + '"}', '["' * 5_000),
        (".json", '{"c": ' + "[" * 99 + "]" * 99 + "}", None),
        (".toml", "c = '" + "[" * 5_000 + "'", "[" * 5_000),
        (".toml", 'c = """' + '[{"\\n' * 500 + '"""', '[{"\n' * 500),
        (".toml", "c = '''" + "['{\n" * 500 + "'''", "['{\n" * 500),
        (".toml", "# " + "[" * 5_000 + "\nc = 1", 1),
        (".toml", "c = '" + "a." * 5_000 + "'", "a." * 5_000),
        (".toml", "c = [" + "1.5, " * 5_000 + "]", [1.5] * 5_000),
        (".toml", "a.b.c.d.e = 1\nc = 2", 2),
    ],
    ids=[str(n) for n in range(16)],
)
def test_what_is_large_and_right_is_read(tmp_path: Path, suffix: str, text: str, says: Any) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(text)
    document, _ = read_document(path)
    if says is not None:
        assert document["c"] == says


@pytest.mark.slow
def test_a_manifest_of_many_files_is_within_the_limits() -> None:
    row = "- path: data/{}.root\n  size: 1\n  sha256: {}\n  uris: [https://example.org/{}]\n"
    text = "files:\n" + "".join(row.format(n, "a" * 64, n) for n in range(3_000))
    (node,) = compose_yaml(text)
    assert len(construct_yaml(node)["files"]) == 3_000


@pytest.mark.slow
def test_many_errors_are_found_in_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "analysis.yaml"
    rules = "".join("- {match: x, kind: count, tests: [], unknown: 1}\n" for _ in range(4_000))
    path.write_text(f"schema_version: 1\ncompare:\n{rules}")
    document, lines = read_document(path)
    started = time.monotonic()
    with pytest.raises(SpecificationError, match=r"unknown: unknown field") as error:
        validated(Analysis, document, path, lines)
    assert time.monotonic() - started < SECONDS
    assert len(error.value.message) < 2_000


@pytest.mark.slow
def test_many_tables_of_toml_are_read_in_a_moment(tmp_path: Path) -> None:
    (tmp_path / "reprun.toml").write_text("[[a]]\n" * 100_000)
    started = time.monotonic()
    with pytest.raises(SpecificationError, match="unknown field"):
        read_project(tmp_path)
    assert time.monotonic() - started < SECONDS


@pytest.mark.slow
def test_a_field_that_is_duplicated_among_many_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{" + ", ".join(f'"{n}": 0' for n in [*range(50_000), 49_999]) + "}")
    assert "the field '49999' is duplicated" in refused(path).message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(VALUES)
@pytest.mark.slow
def test_what_json_writes_is_parsed_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@settings(deadline=None)
@given(st.text(st.sampled_from("[]{}\"'\\#.=:ab1 \n&*-?,!|<"), max_size=200))
def test_no_text_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    directory = tmp_path_factory.getbasetemp()
    for suffix in SUFFIXES:
        path = directory / f"any{suffix}"
        path.write_text(text)
        try:
            read_document(path)
        except ReprunError:
            continue


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", '"b.c"', "'d'", "1"]), min_size=1, max_size=40))
def test_dotted_keys_are_counted(parts: list[str]) -> None:
    text = ".".join(parts) + " = 1"
    if len(parts) > limits.KEY_PARTS.value:
        with pytest.raises(limits.LimitError, match="parts"):
            parse_toml(text)
    else:
        assert parse_toml(text)

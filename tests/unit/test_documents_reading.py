"""Documents that reprun wrote and somebody damaged: what is wrong, in which line, what to type."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

import reprun
from reprun.conditions.snapshot import Snapshot
from reprun.documents.analysis import Analysis
from reprun.documents.manifest import Dataset
from reprun.documents.project import ProjectFile
from reprun.documents.reading import UPGRADE, Document, read_written
from reprun.documents.record import REPORT_JSON, RunRecord
from reprun.documents.validation import faults_of
from reprun.errors import OutputMissingError, ReprunError, SpecificationError
from reprun.reana.local.report import ProjectReport
from reprun.reana.remote.submission import STATE, Submission, read_submission
from reprun.report.matrix import MatrixReport
from reprun.report.model import Report, read_report, report_json
from reprun.report.nights import CellNights
from reprun.runs.blessed import BLESSED, Blessing, read_blessing
from reprun.runs.candidate import Candidate
from reprun.runs.kept_plan import KeptPlan
from reprun.runs.lock import LOCK, AnalysisLock, read_lock
from reprun.runs.reference import Undecoded
from reprun.runs.reference_log import Entry
from tests.sample_report import sample
from tests.unit import builders

VERSIONED = (
    Analysis,
    AnalysisLock,
    Blessing,
    Candidate,
    CellNights,
    Entry,
    Undecoded,
    Dataset,
    KeptPlan,
    MatrixReport,
    ProjectFile,
    ProjectReport,
    Report,
    RunRecord,
    Snapshot,
    Submission,
)
WRITTEN: dict[str, tuple[Callable[[Path], object], Document, type[ReprunError], str]] = {
    # name of the file: its reader, a right one, what is raised, and a field that has to be there
    LOCK: (read_lock, builders.lock(), SpecificationError, "images"),
    BLESSED: (
        read_blessing,
        builders.blessing(),
        SpecificationError,
        "author",
    ),
    STATE: (
        lambda path: read_submission(path.parent),
        Submission(
            server="https://reana.example.org",
            name="mine",
            inputs="sha256:0",
            images={},
            created=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        ),
        SpecificationError,
        "server",
    ),
    REPORT_JSON: (read_report, sample(), OutputMissingError, "generator"),
}
FROM_DIRECTORY = (LOCK, BLESSED)


@pytest.fixture(params=WRITTEN)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def content(name: str) -> dict[str, Any]:
    document = WRITTEN[name][1]
    text = report_json(sample()) if name == REPORT_JSON else document.model_dump_json()
    read: dict[str, Any] = json.loads(text)
    return read


def read(path: Path) -> object:
    reader = WRITTEN[path.name][0]
    return reader(path.parent if path.name in FROM_DIRECTORY else path)


def refused(path: Path, text: str) -> ReprunError:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WRITTEN[path.name][2]) as error:
        read(path)
    for library in ("pydantic", "validation error", "input_value", "AnalysisLock"):
        assert library not in error.value.message
    return error.value


def line_of(text: str, field: str) -> int:
    return 1 + next(n for n, row in enumerate(text.splitlines()) if f'"{field}":' in row)


def test_what_is_right_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(content(name), indent=1))
    found = read(tmp_path / name)
    assert isinstance(found, Document)
    # As JSON: a report has numbers that are not equal to themselves.
    assert found.model_dump_json() == WRITTEN[name][1].model_dump_json()


def test_a_broken_field_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    field = WRITTEN[name][3]
    text = json.dumps(content(name) | {field: 3}, indent=1)
    error = refused(tmp_path / name, text)
    assert f"{field}: must be " in error.message
    assert "is the number 3" in error.message
    assert error.place == f"{tmp_path / name}:{line_of(text, field)}"


def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    field = WRITTEN[name][3]
    document = content(name)
    del document[field]
    error = refused(tmp_path / name, json.dumps(document, indent=1))
    assert f"{field}: this field is missing" in error.message
    assert error.place == f"{tmp_path / name}:1"


def test_an_unknown_field_gets_the_nearest_one(tmp_path: Path, name: str) -> None:
    field = WRITTEN[name][3]
    text = json.dumps(content(name) | {f"{field}s_": 3}, indent=1)
    error = refused(tmp_path / name, text)
    assert f"{field}s_: unknown field. Did you mean '{field}'?" in error.message
    assert error.place == f"{tmp_path / name}:{line_of(text, field + 's_')}"


def test_what_is_not_json_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path / name, '{"schema_version": 1,\n<<<<<<< HEAD')
    assert "not valid JSON: " in error.message
    assert error.place == f"{tmp_path / name}:2"


def test_what_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe")
    with pytest.raises(WRITTEN[name][2], match="utf-8") as error:
        read(tmp_path / name)
    assert error.value.place == str(tmp_path / name)


def faulty(model: type[Document], version: object) -> list[str]:
    """Return what is said of a version, in a document that lacks the rest."""
    found = []
    document = {"schema_version": version}
    for as_json in (True, False):
        try:
            if as_json:
                model.model_validate_json(json.dumps(document))
            else:
                model.model_validate(document)
        except ValidationError as error:
            found += [str(fault) for fault in faults_of(error, model)]
    return [fault for fault in found if fault.startswith("schema_version")]


@pytest.mark.parametrize("model", VERSIONED)
def test_the_version_of_a_document_is_its_number(model: type[Document]) -> None:
    (number,) = get_args(model.model_fields["schema_version"].annotation)
    assert faulty(model, number) == []
    other = number + 1
    for version, given in ((True, "true"), (False, "false"), (other, f"the number {other}")):
        said = f"schema_version: must be {number}, is {given}"
        assert [each.rstrip(".") for each in faulty(model, version)] == [said, said]


@pytest.mark.parametrize(("version", "age"), [(1, "older"), (3, "newer")])
def test_a_written_document_of_another_version_says_who_wrote_it(
    tmp_path: Path, version: int, age: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"schema_version": version, "something": "else"}))
    with pytest.raises(SpecificationError, match=f"it was written by an? {age} reprun$") as error:
        read_written(KeptPlan, path, problem="plan.json cannot be read", hint="git checkout")
    assert error.value.hint == {"older": "git checkout", "newer": UPGRADE}[age]


def test_no_document_with_a_version_is_left_out() -> None:
    texts = [path.read_text() for path in Path(reprun.__file__).parent.rglob("*.py")]
    assert sum(text.count("schema_version: Literal[") for text in texts) == len(VERSIONED)


class Pair(Document):
    first: int
    second: int


def test_every_fault_has_its_line_and_one_command_restores_all(tmp_path: Path) -> None:
    path = tmp_path / "pair.json"
    path.write_text('{\n "first": "a",\n "second": "b"\n}')
    with pytest.raises(SpecificationError) as error:
        read_written(Pair, path, problem="pair.json cannot be read", hint="git checkout")
    assert error.value.message == (
        "pair.json cannot be read: first: must be an integer, is 'a'"
        "\n    line 3: second: must be an integer, is 'b'"
    )
    assert (error.value.place, error.value.hint) == (f"{path}:2", "git checkout")
    assert read_written(Pair, tmp_path / "none", problem="") is None


def test_json_that_is_no_yaml_keeps_its_own_fault(tmp_path: Path) -> None:
    """YAML, which knows the lines, refuses a pair of escapes for one character."""
    path = tmp_path / "pair.json"
    path.write_text('{"first": "\\ud83d\\ude00",\n"second": 2}')
    with pytest.raises(SpecificationError) as error:
        read_written(Pair, path, problem="no pair")
    assert error.value.message == "no pair: first: must be an integer, is '😀'"
    assert error.value.place == f"{path}:1"

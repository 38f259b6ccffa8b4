"""One broken analysis or result is shown as such in the list and the matrix, and hides no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from reprun.digests import sha256_bytes
from reprun.documents.analysis import load_analysis
from reprun.documents.project import Project, read_project
from reprun.documents.record import RECORD, REPORT_JSON, read_record, unread_record, write_record
from reprun.errors import OutputMissingError
from reprun.report.model import read_report, report_json
from reprun.runs import last_runs
from reprun.runs.last_runs import analysis_document, listed
from tests.hostile_documents import BROKEN_YAML, YAML, names
from tests.projects import mark_project
from tests.sample_report import sample
from tests.unit import builders

CELL = "columnar.small"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two analyses, both of which have run."""
    mark_project(tmp_path)
    for name in ("bad", "good"):
        directory = tmp_path / "examples" / name
        directory.mkdir(parents=True)
        document = builders.analysis(name=name).model_dump(mode="json", exclude_defaults=True)
        text = yaml.safe_dump({**document, "schema_version": 1})
        (directory / "analysis.yaml").write_text(text)
        cell = tmp_path / "results" / name / CELL
        cell.mkdir(parents=True)
        text = report_json(sample())
        sealed = {REPORT_JSON: sha256_bytes(text.encode())}
        write_record(builders.record(analysis=name, reports=sealed), cell)
        (cell / REPORT_JSON).write_text(text)
    return read_project(tmp_path)


def verdicts(project: Project) -> dict[str, str]:
    return {row["name"]: row["verdict"] for row in listed(project, project.root / "results")}


def test_what_ran_has_its_verdict(project: Project) -> None:
    status = sample().status
    assert verdicts(project) == dict.fromkeys(("bad", "good"), f"{status} ({CELL})")


@pytest.mark.parametrize("name", names(YAML, BROKEN_YAML))
def test_a_document_that_asks_for_too_much_hides_no_other(project: Project, name: str) -> None:
    (project.analyses / "bad" / "analysis.yaml").write_text({**YAML, **BROKEN_YAML}[name])
    bad, good = listed(project, project.root / "results")
    assert bad["verdict"] == "cannot be read"
    assert bad["title"].startswith(("cannot read analysis.yaml: ", "not valid YAML: ", "name: "))
    assert good["verdict"].startswith(sample().status)


def flip(at: float) -> Callable[[bytes], bytes]:
    """Return what puts an invalid byte at a part of the length."""

    def flipped(data: bytes) -> bytes:
        place = int(at * (len(data) - 1))
        return data[:place] + b"\xff" + data[place + 1 :]

    return flipped


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    **{f"an invalid byte at {n} %": flip(n / 100) for n in (0, 1, 10, 37, 50, 73, 99, 100)},
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "half of it": lambda data: data[: len(data) // 2],
    "twice": lambda data: data * 2,
    "brackets": lambda _: b"[" * 100_000,
    "nested": lambda _: b'{"a":' * 100_000,
    "digits": lambda _: b'{"a": ' + b"1" * 5_000 + b"}",
    "digits in a field": lambda data: re.sub(rb":\d", b":" + b"1" * 5_000, data, count=1),
    "a list": lambda _: b"[]",
    "null": lambda _: b"null",
    "half of a character": lambda data: data.replace(b'"', b'"\\ud800', 3),
    "a version of its own": lambda data: json.dumps(
        json.loads(data) | {"schema_version": "9"}
    ).encode(),
    "all fields but one": lambda data: json.dumps(
        {"schema_version": json.loads(data)["schema_version"]}
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("document", [RECORD, REPORT_JSON])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_named_with_the_next_command(
    project: Project, document: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    path = Path("results/bad") / CELL / document
    text = path.read_bytes()
    if damage == "digits in a field":
        text = json.dumps(json.loads(text), separators=(",", ":")).encode()
    path.write_bytes(DAMAGES[damage](text))
    found = verdicts(project)
    fault = "is damaged" if document == RECORD else "was changed after the run"
    assert found["bad"] == f"{document} {fault}: rm {path} and run again ({CELL})"
    assert found["good"] == f"{sample().status} ({CELL})"
    path.unlink()
    assert "damaged" not in verdicts(project)["bad"]


@pytest.mark.parametrize(
    ("version", "age", "remedy"),
    [
        (1, "an older", "run again"),
        (99, "a newer", "pip install --upgrade reprun, or run again"),
    ],
)
def test_a_record_of_another_version_says_who_wrote_it(
    project: Project, version: int, age: str, remedy: str
) -> None:
    path = project.root / "results/bad" / CELL / RECORD
    document = json.loads(path.read_text()) | {"schema_version": version}
    path.write_text(json.dumps(document))
    assert verdicts(project)["bad"] == f"{RECORD} was written by {age} reprun: {remedy} ({CELL})"
    assert read_record(path.parent) is None
    assert unread_record(path.parent) == age.split()[1]
    assert unread_record(path.parent / "nowhere") is None


def test_a_report_of_another_version_says_who_wrote_it(project: Project) -> None:
    place = project.root / "results/bad" / CELL
    text = json.dumps(json.loads((place / REPORT_JSON).read_text()) | {"schema_version": 2})
    (place / REPORT_JSON).write_text(text)
    record = read_record(place)
    assert record is not None
    digests = {**record.reports, REPORT_JSON: sha256_bytes(text.encode())}
    write_record(record.model_copy(update={"reports": digests}), place)
    assert verdicts(project)["bad"].startswith(f"{REPORT_JSON} was written by a newer reprun: pip")
    with pytest.raises(OutputMissingError, match="it was written by a newer reprun"):
        read_report(place / REPORT_JSON)


def test_a_damaged_record_is_that_of_its_variant_and_of_its_time(project: Project) -> None:
    results = project.root / "results"
    (results / "bad" / "legacy.large").mkdir()
    (results / "bad" / "legacy.large" / RECORD).write_bytes(b"\xff")
    (bad, _) = listed(project, results)
    assert bad["verdicts"]["columnar"] == sample().status
    assert bad["verdicts"]["legacy"].startswith(f"{RECORD} is damaged: rm ")
    # One that no variant has a name for is nobody's.
    (results / "bad" / "legacy.large").rename(results / "bad" / "other")
    (bad, _) = listed(project, results)
    assert bad["verdicts"]["legacy"] == "not run here"


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("deep"), KeyError("x"), OSError()])
def test_what_nobody_foresaw_hides_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(directory: Path) -> object:
        if directory.name == "bad":
            raise error
        return load_analysis(directory)

    monkeypatch.setattr(last_runs, "load_analysis", failing)
    bad, good = listed(project, project.root / "results")
    assert bad["verdict"] == "cannot be read"
    assert type(error).__name__ in bad["title"] or bad["title"] == "not enough memory"
    assert good["verdict"].startswith(sample().status)


def test_a_report_that_says_something_else_is_not_believed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A valid one, of the right schema: only the record knows."""
    monkeypatch.chdir(project.root)
    path = Path("results/bad") / CELL / REPORT_JSON
    other = "reproduced" if sample().status != "reproduced" else "not reproduced"
    path.write_text(report_json(sample().model_copy(update={"status": other})))
    said = f"{REPORT_JSON} was changed after the run: rm {path} and run again"
    assert verdicts(project)["bad"] == f"{said} ({CELL})"
    document = analysis_document(
        load_analysis(project.analyses / "bad"), path.parent, Path("results")
    )
    assert document["verdicts"]["columnar"] == said

"""`reprun bless`: only a finished run, with a reason and an author, becomes the reference."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reprun.cli.main import program
from reprun.digests import sha256_file
from reprun.documents.project import read_project
from reprun.documents.record import write_record
from reprun.documents.selection import select
from reprun.errors import IntegrityError, SpecificationError, StorageError
from reprun.files import locked
from reprun.histograms import Table, content_hash
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.report import report_json
from reprun.runs.blessed import read_blessing
from reprun.runs.blessing import Blessed, bless_last_run
from reprun.runs.candidate import candidate_of
from reprun.runs.lock import read_lock
from reprun.runs.preview import Preview
from reprun.store.store import Store
from tests.projects import mark_project
from tests.sample_report import sample
from tests.store_support import of_a_killed_process
from tests.unit import builders
from tests.unit.builders import ANALYSIS


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An analysis that has run, in a project without any real image."""

    def locked(_: object, name: str) -> Image:
        return builders.image(name)

    (tmp_path / "project" / "images").mkdir(parents=True)
    directory = tmp_path / "project" / "examples" / "demo"
    (directory / "code").mkdir(parents=True)
    (directory / "Snakefile").touch()
    (directory / "analysis.yaml").write_text(ANALYSIS)
    run_directory = tmp_path / "results" / "demo" / "columnar"
    (run_directory / "outputs").mkdir(parents=True)
    outputs = {}
    for name in ("a.csv", "b.csv"):
        (run_directory / "outputs" / name).write_text("row,value\nx,10\n")
        outputs[name] = sha256_file(run_directory / "outputs" / name)
    write_record(builders.record(outputs=outputs), run_directory)
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))
    monkeypatch.setattr("reprun.images.catalogue.catalogue.Catalogue.locked", locked)
    return directory


def bless(directory: Path, **fields: Any) -> Blessed:
    given = {"reason": "it is right", "author": "A. Nobody"} | fields
    results = directory.parents[2] / "results"
    return bless_last_run(
        select(read_project(directory.parents[1]), "demo", results=results),
        Store(directory.parents[2] / "store"),
        Silent(),
        **given,
    )


def test_the_last_run_becomes_the_reference_and_is_locked(directory: Path) -> None:
    written = bless(directory, reason="  it is right \n").written
    names = ["a.csv", "b.csv", "blessed.json", "log.jsonl"]
    assert [Path(path).name for path in written] == names
    found = read_blessing(directory / "reference")
    assert found is not None
    assert (found.reason, found.author) == ("it is right", "A. Nobody")
    lock = read_lock(directory)
    assert lock is not None
    assert set(lock.reference) == set(names)


@pytest.mark.parametrize("status", ["failed", "interrupted", None])
def test_a_run_that_did_not_finish_is_refused(directory: Path, status: str | None) -> None:
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    if status is None:
        (run_directory / "record.json").unlink()
    else:
        write_record(builders.record(status=status), run_directory)
    with pytest.raises(SpecificationError, match="only a finished run can be blessed") as error:
        bless(directory)
    assert error.value.hint == f"reprun run demo --results {run_directory.parents[1]}"
    assert not (directory / "reference").exists()


def test_a_run_that_a_newer_reprun_recorded_is_refused(directory: Path) -> None:
    path = directory.parents[2] / "results" / "demo" / "columnar" / "record.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 3'))
    with pytest.raises(SpecificationError, match=r"\(it was written by a newer reprun\)"):
        bless(directory)


def test_a_run_with_other_parameters_is_refused(directory: Path) -> None:
    """With another seed for reference, every plain run would be excused by statistics."""
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    other = builders.inputs(parameters={"bins": 11})
    write_record(builders.record(inputs=other), run_directory)
    with pytest.raises(SpecificationError, match=r"had bins=11, analysis\.yaml says 10") as error:
        bless(directory)
    hint = f"reprun run demo --results {run_directory.parents[1]}   # or write bins: 11"
    assert str(error.value.hint).startswith(hint)
    assert not (directory / "reference").exists()


@pytest.mark.parametrize("reason", ["", " \n"])
def test_no_reason(directory: Path, reason: str) -> None:
    with pytest.raises(SpecificationError, match="needs a reason"):
        bless(directory, reason=reason)
    assert not (directory / "reference").exists()


def test_an_output_that_was_edited_is_not_blessed(directory: Path) -> None:
    (directory.parents[2] / "results/demo/columnar/outputs/b.csv").write_text("row,value\nx,11\n")
    with pytest.raises(
        SpecificationError, match=r"the output b\.csv is not what the last run made"
    ):
        bless(directory)


def test_the_author_is_gits_user_unless_one_is_given(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["Git User\n", ""]

    def git(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, said.pop(0), "")

    monkeypatch.setattr("subprocess.run", git)
    bless(directory, author="")
    found = read_blessing(directory / "reference")
    assert found is not None
    assert found.author == "Git User"
    with pytest.raises(SpecificationError, match="needs an author"):
        bless(directory, author=" ")


def test_no_git_and_no_author(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr("subprocess.run", missing)
    with pytest.raises(SpecificationError, match="needs an author"):
        bless(directory, author="")


def test_two_at_once_are_one_after_the_other(directory: Path) -> None:
    """Else the lock of the first could be written over that of the second's reference."""
    reasons = [f"reason {number}" for number in range(6)]
    with ThreadPoolExecutor(len(reasons)) as pool:
        list(pool.map(lambda reason: bless(directory, reason=reason), reasons))
    lock = read_lock(directory)
    assert lock is not None
    reference = directory / "reference"
    assert lock.reference == {path.name: sha256_file(path) for path in reference.iterdir()}
    assert {path.name for path in directory.iterdir()} == {
        *("Snakefile", "analysis.yaml", "analysis.lock", "code", "reference")
    }


def test_a_run_that_is_on_its_way_is_not_blessed(directory: Path) -> None:
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    with locked(run_directory / ".lock"), pytest.raises(StorageError, match="another reprun"):
        bless(directory)
    assert not (directory / "reference").exists()


def test_what_a_killed_bless_left_is_swept(directory: Path) -> None:
    left = directory / of_a_killed_process(".reference-")
    (left / "reference").mkdir(parents=True)
    (directory / of_a_killed_process(".analysis.lock.")).touch()
    bless(directory)
    assert not [path for path in directory.iterdir() if "abcd" in path.name]


@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_a_report_that_was_changed_after_the_run_is_not_blessed(directory: Path, name: str) -> None:
    """It is what somebody looked at before saying that the numbers are right."""
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    (run_directory / name).write_text("another verdict")
    with pytest.raises(SpecificationError, match=f"{name} was changed after the run") as error:
        bless(directory)
    hint = f"reprun run demo --results {run_directory.parents[1]}   # writes it again"
    assert error.value.hint == hint
    assert not (directory / "reference").exists()


# -- the candidate of the run ----------------------------------------------------------------------


def has_candidate(directory: Path, objects: dict[str, str | None]) -> Path:
    """Let the last run have written a candidate."""
    path = directory.parents[2] / "results" / "demo" / "columnar" / "candidate.json"
    text = candidate_of(builders.record(), objects).model_dump_json()
    path.write_text(text)
    makes(directory, {}, reports={"candidate.json": sha256_file(path)})
    return path


HASH = content_hash(Table("a", ("x",), ("value",), np.array([[10.0]]), "row"))


def test_the_outputs_are_those_of_the_candidate(directory: Path) -> None:
    has_candidate(directory, {"a": HASH, "b": HASH})
    assert bless(directory).written


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"a": HASH, "b": builders.digest("9")}, "1 object of the outputs is not what.*: b"),
        ({"a": HASH}, "1 object of the outputs is not what.*: b"),
        ({"a": HASH, "b": HASH, "c": HASH}, "1 object of the outputs is not what.*: c"),
        ({"a": None, "b": None}, "2 objects of the outputs are not what.*: a, b"),
    ],
)
def test_other_outputs_than_those_of_the_candidate_are_not_blessed(
    directory: Path, objects: dict[str, str | None], said: str
) -> None:
    has_candidate(directory, objects)
    with pytest.raises(IntegrityError, match=said) as error:
        bless(directory)
    assert str(error.value.hint).startswith("reprun run demo --results ")
    assert not (directory / "reference").exists()


def test_a_candidate_that_was_changed_or_removed_is_refused(directory: Path) -> None:
    path = has_candidate(directory, {"a": HASH, "b": HASH})
    text = path.read_text()
    path.write_text(text + " ")
    with pytest.raises(SpecificationError, match=r"candidate\.json was changed after the run"):
        bless(directory)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"candidate\.json was removed after the run"):
        bless(directory)


# -- what will change -----------------------------------------------------------------------------


def makes(directory: Path, files: dict[str, str], **fields: Any) -> None:
    """Let the last run have made some files."""
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    for name, text in files.items():
        (run_directory / "outputs" / name).write_text(text)
    made = {name: sha256_file(run_directory / "outputs" / name) for name in ("a.csv", "b.csv")}
    write_record(builders.record(outputs=made, **fields), run_directory)


def seen(directory: Path, *, agreed: bool = True, **fields: Any) -> Preview:
    found: list[Preview] = []

    def agree(preview: Preview) -> bool:
        found.append(preview)
        return agreed

    bless(directory, agree=agree, **fields)
    return found[0]


def test_a_first_reference_is_all_new(directory: Path) -> None:
    found = seen(directory)
    assert (found.objects, found.identical, found.notes) == (2, 0, ())
    assert [(one.name, one.verdict) for one in found.changes] == [("a", "extra"), ("b", "extra")]


def test_who_does_not_agree_changes_nothing(directory: Path) -> None:
    bless(directory)
    makes(directory, {"b.csv": "row,value\nx,11\n"})
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    (change,) = seen(directory, agreed=False).changes
    assert (change.name, change.verdict) == ("b", "changed")
    assert change.sentence.startswith("row 'x', column 'value' is 11, reference 10")
    assert before == {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert seen(directory).identical == 1
    assert seen(directory).changes == ()


def test_an_old_reference_that_cannot_be_compared_stops_nobody(directory: Path) -> None:
    bless(directory)
    (directory / "reference" / "a.csv").write_text("row,value\nx,word\n,,,")
    found = seen(directory)
    assert found.notes[0].startswith("not compared with the reference of before: ")
    assert len(found.changes) == 2


def test_the_change_that_was_accepted_is_kept(directory: Path) -> None:
    bless(directory)
    run_directory = directory.parents[2] / "results" / "demo" / "columnar"
    report = sample()
    (run_directory / "report.json").write_text(report_json(report))
    digest = sha256_file(run_directory / "report.json")
    makes(directory, {}, reports={"report.json": digest})
    bless(directory)
    found = read_blessing(directory / "reference")
    assert found is not None
    assert found.compared is not None
    assert (found.compared.report, found.compared.sentence) == (digest, report.sentence)


@pytest.fixture
def cli(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The program, in the directory with the results."""
    monkeypatch.chdir(directory.parents[2])
    monkeypatch.setenv("REPRUN_STORE", str(directory.parents[2] / "store"))

    def call(*more: str, answer: str | None = None) -> Result:
        said = [
            "bless",
            "demo",
            "--results",
            "results",
            "--reason",
            "right",
            "--author",
            "A. Nobody",
            *more,
        ]
        monkeypatch.setattr("reprun.cli.console.is_asked", lambda: answer is not None)
        return CliRunner().invoke(program(), said, input=answer)

    return call


def test_a_dry_run_writes_nothing(directory: Path, cli: Callable[..., Result]) -> None:
    done = cli("--dry-run")
    assert done.exit_code == 0
    assert done.stdout.startswith("the new reference: 2 objects (2 new)\n  new  a\n  new  b\n")
    assert done.stdout.endswith("nothing was written (--dry-run)\n")
    assert not (directory / "reference").exists()
    said = json.loads(cli("--dry-run", "--format", "json").stdout)
    assert (said["reference"], said["preview"]["objects"]) == ([], 2)


def test_a_terminal_is_asked_and_a_pipe_is_not(directory: Path, cli: Callable[..., Result]) -> None:
    for answer in ("\n", "n\n", ""):
        done = cli(answer=answer)
        assert done.exit_code == 0
        assert "make this the reference of demo? [y/N]" in done.stderr
        assert done.stdout.endswith("nothing was written\n")
        assert not (directory / "reference").exists()
    assert "blessed and locked" in cli(answer="y\n").stdout
    makes(directory, {"b.csv": "row,value\nx,11\n"})
    done = cli("--yes", answer="n\n")
    assert "(1 identical, 1 changed)" in done.stdout
    assert "[y/N]" not in done.stderr
    assert "blessed and locked" in done.stdout
    assert "blessed and locked" in cli().stdout

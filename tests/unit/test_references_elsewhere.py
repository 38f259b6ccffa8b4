"""References of any size: Git has a manifest, the bytes are fetched by digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reprun.cli.main import program
from reprun.data.local import documents_of, projects_of
from reprun.digests import sha256_file
from reprun.documents.project import read_project
from reprun.errors import (
    InputsGoneError,
    IntegrityError,
    OutputMissingError,
    SpecificationError,
)
from reprun.progress import Silent
from reprun.runs import elsewhere
from reprun.runs.elsewhere import Publishing, bring_reference, whole_reference
from reprun.runs.lock import read_lock
from reprun.runs.reference import load_reference, reference_digests
from reprun.runs.reference_check import check_references
from reprun.runs.reference_sums import absent, read_sums
from reprun.store import collection
from reprun.store.store import Store
from tests.unit.bench import FIRST, SECOND, Bench, blessed_bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A reference whose histograms and documents are published in a directory."""
    found = blessed_bench(tmp_path, monkeypatch)
    found.runs(FIRST)
    found.bless(publishing=publishing(found))
    return found


def publishing(bench: Bench, above: int = 100) -> Publishing:
    return Publishing(str(bench.root / "shared"), above)


def check(bench: Bench) -> int:
    (checked,) = check_references(bench.home, "demo", bench.store, Silent())
    return checked.files


def forget(bench: Bench, *, published: bool = True) -> None:
    """Let the store, and what was published, be gone."""
    shutil.rmtree(bench.store.root)
    if published:
        shutil.rmtree(bench.root / "shared")


LARGE = {"histograms.json", "documents.json"}


def test_git_has_a_manifest_that_sha256sum_reads(bench: Bench) -> None:
    files = {path.name for path in bench.reference.iterdir()}
    assert files == {"t.csv", "u.csv", "blessed.json", "log.jsonl", "SHA256SUMS"}
    blessing = bench.blessing()
    assert blessing.elsewhere.keys() == LARGE
    assert read_sums(bench.reference) == blessing.files
    assert absent(bench.reference).keys() == LARGE
    lines = bench.text("SHA256SUMS").splitlines()
    assert lines[-1] == f"{sha256_file(bench.reference / 'u.csv').removeprefix('sha256:')}  u.csv"
    for name in LARGE:
        digest = blessing.files[name]
        (uri,) = blessing.elsewhere[name].uris
        published = bench.root / "shared" / "blobs" / "sha256" / digest[7:9] / digest[7:]
        assert uri == published.as_uri()
        assert sha256_file(published) == digest
        assert blessing.elsewhere[name].size == published.stat().st_size
    lock = read_lock(bench.home)
    assert lock is not None
    assert lock.reference.keys() == files


def test_a_run_is_compared_with_all_of_it(bench: Bench) -> None:
    report = bench.runs(FIRST)
    assert report is not None
    assert report.reproduced
    assert len(report.items) == 8
    report = bench.runs(SECOND)
    assert report is not None
    assert report.counts == {"identical": 5, "changed": 3}
    assert check(bench) == 4


def test_the_digest_of_a_reference_is_the_same_wherever_its_files_are(bench: Bench) -> None:
    there = reference_digests(bench.reference)
    with whole_reference(bench.reference, bench.store, Silent()) as place:
        assert reference_digests(place) == there
        assert place != bench.reference
    assert not list((bench.store.root / "references").iterdir())


def test_a_part_of_a_reference_is_never_taken_for_all(bench: Bench) -> None:
    with pytest.raises(OutputMissingError, match=r"documents\.json, histograms\.json of the ref"):
        load_reference(bench.reference)


def test_what_is_not_here_is_fetched_by_digest(bench: Bench) -> None:
    forget(bench, published=False)
    report = bench.runs(FIRST)
    assert report is not None
    assert report.reproduced


def test_a_mirror_has_it_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.root / "shared").rename(bench.root / "moved")
    forget(bench, published=False)
    with pytest.raises(InputsGoneError) as error:
        bench.runs(FIRST)
    assert error.value.message.startswith("2 of 2 reference files are not available:")
    assert error.value.hint == (
        "export REPRUN_MIRRORS=DIRECTORY   # a directory or URL that holds them"
    )
    monkeypatch.setenv("REPRUN_MIRRORS", str(bench.root / "moved"))
    report = bench.runs(FIRST)
    assert report is not None
    assert report.reproduced


def test_other_bytes_are_never_taken(bench: Bench) -> None:
    forget(bench, published=False)
    for path in (bench.root / "shared").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    with pytest.raises(InputsGoneError, match="reference files are not available"):
        bench.runs(FIRST)
    with pytest.raises(InputsGoneError):
        check(bench)


def test_rot_in_the_store_is_found(bench: Bench) -> None:
    blob = bench.store.blob_path(bench.blessing().files["histograms.json"])
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"1", b"2"))
    with pytest.raises(IntegrityError, match="in the store is corrupt"):
        bench.runs(FIRST)


def test_garbage_collection_keeps_what_a_reference_needs(bench: Bench) -> None:
    digests = set(absent(bench.reference).values())
    project = read_project(bench.root / "project")
    collection.register(bench.store, project.root)
    used = documents_of(project, *projects_of(bench.store))
    assert not collection.collect(bench.store, used).removed
    bench.runs(SECOND)
    bench.bless(publishing=publishing(bench))
    removed = set(collection.collect(bench.store, documents_of(project)).removed)
    assert removed == digests - set(absent(bench.reference).values())
    assert removed == digests
    assert check(bench) == 4


def test_what_was_elsewhere_stays_so(bench: Bench) -> None:
    before = bench.blessing().elsewhere
    bench.runs(FIRST)
    bench.bless(reason="again, with the same numbers")
    assert bench.blessing().elsewhere == before
    bench.runs({**FIRST, "t.csv": SECOND["t.csv"]})
    bench.bless(only=["t"])
    assert bench.blessing().elsewhere == before
    assert bench.text("t.csv") == SECOND["t.csv"]
    assert check(bench) == 4


def test_a_new_large_file_needs_a_place_where_the_old_one_had_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.runs(SECOND)
    bench.bless()
    assert bench.blessing().elsewhere == {}  # none is larger than 1 MB
    bench.bless(publishing=publishing(bench))
    bench.runs(FIRST)
    monkeypatch.setattr(elsewhere, "LARGE", 100)
    before = {path: path.read_bytes() for path in bench.reference.iterdir()}
    with pytest.raises(SpecificationError, match="the old reference kept such files elsewh") as odd:
        bench.bless()
    place = (bench.root / "shared").as_uri()
    assert odd.value.hint == f"the same command with --publish {place}"
    assert {path: path.read_bytes() for path in bench.reference.iterdir()} == before
    bench.bless(publishing=Publishing(place, 100))
    assert bench.blessing().elsewhere.keys() == LARGE


def test_without_a_place_large_files_stay_in_git_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = blessed_bench(tmp_path, monkeypatch)
    monkeypatch.setattr(elsewhere, "LARGE", 100)
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda _, message: said.append(message))
    bench.runs(FIRST)
    bench.bless()
    assert "--publish DIR keeps such files out of Git" in said[-1]
    assert not (bench.reference / "SHA256SUMS").exists()


def test_a_part_is_changed_of_what_is_elsewhere(bench: Bench) -> None:
    bench.runs(SECOND)
    bench.bless(only=["eta"], publishing=publishing(bench))
    assert bench.blessing().elsewhere.keys() == LARGE
    report = bench.runs({**FIRST, "h.json": SECOND["h.json"]})
    assert report is not None
    assert report.reproduced
    forget(bench)
    bench.runs(SECOND, compare=False)
    with pytest.raises(InputsGoneError):
        bench.bless(only=["pt"], publishing=publishing(bench))
    # All of it is new: what is not available is only not shown beside.
    bench.bless(publishing=publishing(bench), agree=lambda found: bool(found.notes))
    assert bench.blessing().kept == ()


def test_a_file_that_is_gone_is_not_taken_for_one_elsewhere(bench: Bench) -> None:
    (bench.reference / "t.csv").unlink()
    with pytest.raises(IntegrityError, match=r"t\.csv of the reference is gone: SHA256SUMS has it"):
        bring_reference(bench.reference, bench.store, Silent())


ODD = {
    "": "",
    "no digest": "x  t.csv\n",
    "a path": f"{'0' * 64}  ../t.csv\n",
    "a directory above": f"{'0' * 64}  ..\n",
    "one blank": f"{'0' * 64} t.csv\n",
    "twice": f"{'0' * 64}  t.csv\n" * 2,
    "an escape": f"{'0' * 64}  \x1b[31m.csv\n",
}


@pytest.mark.parametrize("name", ODD)
def test_a_list_that_sha256sum_did_not_write_is_refused(bench: Bench, name: str) -> None:
    (bench.reference / "SHA256SUMS").write_text(ODD[name])
    for act in (read_sums, reference_digests):
        with pytest.raises(SpecificationError, match="is not a list of files as sha256sum"):
            act(bench.reference)


def test_a_list_that_was_changed_is_named(bench: Bench) -> None:
    path = bench.reference / "SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "documents" not in line))
    with pytest.raises(IntegrityError, match="SHA256SUMS was changed after line 2 was written"):
        check(bench)


def call(bench: Bench, *words: str) -> Any:
    return CliRunner().invoke(program(), [*words])


@pytest.fixture
def here(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(bench.root)
    return bench


def test_the_command_line(here: Bench) -> None:
    here.runs(SECOND)
    said = ["bless", "demo", "--results", "results", "--reason", "right", "--author", "A"]
    done = call(here, *said, "--publish", "shared", "--publish-above", "100")
    assert done.exit_code == 0
    assert here.blessing().elsewhere.keys() == LARGE
    forget(here, published=False)
    done = call(here, "reference", "fetch", "demo")
    assert done.stdout.startswith("reference: 2 files kept elsewhere, ")
    found = json.loads(call(here, "reference", "fetch", "demo", "--format", "json").stdout)
    assert found["references"][0]["files"] == absent(here.reference)
    assert all(map(Store(here.root / "store").has, absent(here.reference).values()))
    assert call(here, "reference", "verify", "demo").exit_code == 0
    done = call(here, *said, "--publish-above", "100")
    assert str(done.exception).startswith("--publish-above says which files are published")

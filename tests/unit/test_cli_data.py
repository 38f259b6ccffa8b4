"""`reprun data …`: what is printed, what is written, and the frozen keys of its JSON."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from reprun.cli.data import app, fetch
from reprun.data.local import refuse_corrupt
from reprun.data.records import dataset_of
from reprun.data.transfer import PARALLEL
from reprun.digests import sha256_bytes
from reprun.documents.manifest import load_manifest, manifest_text
from reprun.documents.record import write_record
from reprun.errors import InputsGoneError, IntegrityError, ReprunError, SpecificationError
from reprun.store.collection import Verification, register
from reprun.store.space import taken
from reprun.store.store import Store
from reprun.wording import size_of
from tests.http_server import Server
from tests.projects import mark_project
from tests.unit import builders

DATA = b"right bytes\n"
HEAD = {"schema_version", "kind", "reprun"}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An analysis whose dataset `small` is one file that a mirror has."""
    mirror = tmp_path / "mirror" / "data"
    mirror.mkdir(parents=True)
    (mirror / "a.csv").write_bytes(DATA)
    directory = tmp_path / "examples" / "demo"
    directory.mkdir(parents=True)
    (tmp_path / "images").mkdir()
    write(directory, {"path": "data/a.csv", "size": 12, "sha256": sha256_bytes(DATA)})
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("REPRUN_MIRRORS", str(tmp_path / "mirror"))
    return directory


def write(directory: Path, *files: dict[str, Any]) -> None:
    document = builders.analysis().model_dump(mode="json", exclude_defaults=True)
    document |= {"schema_version": 1, "datasets": {"small": "small.yaml"}}
    (directory / "analysis.yaml").write_text(yaml.safe_dump(document))
    (directory / "small.yaml").write_text(yaml.safe_dump({"title": "s", "files": list(files)}))


def run(*arguments: str) -> str:
    """Return the stdout of a command that must succeed."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def error(kind: type[ReprunError], *arguments: str) -> ReprunError:
    with pytest.raises(kind) as raised:
        CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return raised.value


def store() -> Store:
    return Store.default()


def on_disk(digest: str) -> str:
    """Return what a blob takes."""
    return size_of(taken([store().blob_path(digest)]))


def test_list_fetch_verify(directory: Path) -> None:
    assert "0 of 1     here" in run("list")
    assert "NO LICENCE" in run("list")
    absent = error(InputsGoneError, "verify", "demo")
    assert absent.hint == "reprun data fetch demo"
    assert run("fetch", "demo") == "small: 1 file, 12 bytes, verified\n"
    assert "1 of 1     here" in run("list")
    assert run("verify", "demo") == "dataset small: 1 of 1 file intact, 12 bytes hashed\n"
    assert run("verify").startswith("the store: 1 of 1")
    assert (store().origin_path(sha256_bytes(DATA))).read_text().endswith("/mirror/data/a.csv\n")


def test_what_differs_from_the_portal_is_listed(directory: Path) -> None:
    file = {"path": "data/a.csv", "size": 12, "sha256": sha256_bytes(DATA), "note": "one byte more"}
    write(directory, file | {"portal": {"size": 11, "adler32": "00000001"}})
    assert "; differs from the portal: data/a.csv\n" in run("list")


def test_keys_of_the_json(directory: Path) -> None:
    (row,) = json.loads(run("list", "--format", "json"))["datasets"]
    assert set(row) == {
        *("analysis", "dataset", "title", "experiment", "dphep_level", "data_tier", "record"),
        *("doi", "licence", "files", "here", "pinned", "size", "events", "part"),
        "differ_from_portal",
    }
    fetched = json.loads(run("fetch", "demo", "--format", "json"))
    assert set(fetched) == {*HEAD, "dataset", "files", "of", "on_tape", "size", "pinned"}
    verified = json.loads(run("verify", "--format", "json"))
    assert {key: verified[key] for key in verified.keys() - HEAD} == {
        "checked": 1,
        "size": 12,
        "corrupt": [],
        "absent": [],
    }
    collected = json.loads(run("gc", "--format", "json"))
    assert set(collected) == {
        *(*HEAD, "dry_run", "removed", "size", "kept", "forgotten", "leftovers")
    }


def test_rot_is_found_set_aside_and_fetched_again(directory: Path) -> None:
    run("fetch", "demo")
    blob = store().blob_path(sha256_bytes(DATA))
    blob.chmod(0o644)
    blob.write_bytes(b"wrong bytes\n")
    corrupt = error(IntegrityError, "verify", "demo")
    assert (
        "1 of 1 files of dataset small are corrupt and were moved to quarantine" in corrupt.message
    )
    assert not blob.exists()
    run("fetch", "demo")
    run("verify", "demo")


def test_as_many_files_at_a_time_as_the_downloader_takes() -> None:
    # The command has the number of its own: `--help` does not wait for the downloader.
    assert inspect.signature(fetch).parameters["parallel"].default == PARALLEL


def test_of_much_rot_a_few_digests_are_listed_and_the_rest_counted() -> None:
    rotten = tuple(sha256_bytes(bytes([number])) for number in range(87))
    with pytest.raises(IntegrityError) as failed:
        refuse_corrupt(Verification(100, 1, rotten, ()), "the store")
    first, *listed, last = failed.value.message.splitlines()
    assert first.startswith("87 of 100 files of the store are corrupt")
    assert len(listed) == 10
    assert last == "    and 77 more"


def test_what_a_record_names_is_pinned_by_fetching_it(directory: Path) -> None:
    write(directory, {"path": "data/a.csv", "size": 12, "adler32": "1db50471"})
    unpinned = error(SpecificationError, "verify", "demo")
    assert "1 of 1 files of 's' have no sha256 yet" in unpinned.message
    wrong = error(InputsGoneError, "fetch", "demo")
    assert "the manifest says 1db50471" in wrong.message
    write(directory, {"path": "data/a.csv", "size": 12, "adler32": f"{zlib.adler32(DATA):08x}"})
    assert "1 sha256 added to the manifest; next: reprun lock demo" in run("fetch", "demo")
    assert load_manifest(directory / "small.yaml").files[0].digest == sha256_bytes(DATA)
    run("verify", "demo")


def test_gc_keeps_what_the_project_names(directory: Path) -> None:
    run("fetch", "demo")
    other = store().add_bytes(b"other")
    store().note_origin(other, "https://x/other")
    assert f"{other}\n1 file, {on_disk(other)} would be removed; 1 kept" in run("gc", "--dry-run")
    assert "removed; 1 kept" in run("gc")
    assert run("gc") == "0 files, 0 bytes removed; 1 kept\n"
    assert store().has(sha256_bytes(DATA))


def test_add(directory: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.root"
    new.write_bytes(b"new")
    written = run("add", "demo", "mine", str(new), "--title", "Mine", "--licence", "CC0-1.0")
    assert written.startswith(f"{directory}/data/mine.yaml: 1 file, 3 bytes")
    manifest = load_manifest(directory / "data" / "mine.yaml")
    assert (manifest.title, manifest.licence) == ("Mine", "CC0-1.0")
    assert manifest.files[0].path == "data/new.root"
    assert store().verified(manifest.files[0].digest).read_bytes() == b"new"
    again = error(SpecificationError, "add", "demo", "mine", str(new), "--title", "Mine")
    assert "exists already" in again.message
    missing = error(SpecificationError, "add", "demo", "x", str(tmp_path / "no"), "--title", "T")
    assert "there is no file" in missing.message
    twice = error(SpecificationError, "add", "demo", "x", str(new), str(new), "--title", "T")
    assert "two files are called data/new.root" in twice.message


def test_what_is_published_is_had_elsewhere(
    directory: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, shared = tmp_path / "new.root", tmp_path / "shared"
    new.write_bytes(b"new")
    title = ("--title", "T")
    run("add", "demo", "mine", str(new), *title, "--publish", str(shared))
    (file,) = load_manifest(directory / "data" / "mine.yaml").files
    assert file.uris == ((shared / "new.root").as_uri(),)
    assert (shared / "new.root").stat().st_mode & 0o777 == 0o444
    run("add", "demo", "again", str(new), *title, "--publish", shared.as_uri())
    server.pages["/files/new.root"] = b"new"
    run("add", "demo", "served", str(new), *title, "--publish", server.url("files/"))
    (file,) = load_manifest(directory / "data" / "served.yaml").files
    assert file.uris == (server.url("files/new.root"),)
    gone = error(
        InputsGoneError, "add", "demo", "x", str(new), *title, "--publish", server.url("portal")
    )
    assert "does not have new.root: HTTP 404" in gone.message
    new.write_bytes(b"other")
    other = error(
        SpecificationError, "add", "demo", "x", str(new), *title, "--publish", str(shared)
    )
    assert "new.root exists already, with other bytes" in other.message
    first = store().root
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "second"))
    write(directory, {"path": "data/new.root", "size": 3, "sha256": sha256_bytes(b"new")})
    monkeypatch.setenv("REPRUN_MIRRORS", str(first))
    assert run("fetch", "demo") == "small: 1 file, 3 bytes, verified\n"


def test_data_in_place_are_linked_and_read_only(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.root"
    new.write_bytes(b"new")
    run("add", "demo", "mine", str(new), "--title", "T", "--link")
    blob = store().blob_path(sha256_bytes(b"new"))
    assert blob.samefile(new)
    assert new.stat().st_mode & 0o777 == 0o444
    run("add", "demo", "again", str(new), "--title", "T", "--link")
    new.chmod(0o644)
    new.write_bytes(b"old")
    with pytest.raises(IntegrityError):
        store().verified(sha256_bytes(b"new"))


@pytest.mark.parametrize(
    ("device", "why"), [(0, "hard links are refused here"), (1, "it is on another file system")]
)
def test_data_that_cannot_be_linked_stay_as_they_were(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: int, why: str
) -> None:
    new = tmp_path / "new.root"
    new.write_bytes(b"new")
    new.chmod(0o640)
    monkeypatch.setattr("reprun.store.store._hard_linked", lambda *_: False)
    whole = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        found = whole(path, **options)
        if path != new:
            return found
        return os.stat_result([*found[:2], found.st_dev + device, *found[3:10]])

    monkeypatch.setattr(Path, "stat", stat)
    refused = error(SpecificationError, "add", "demo", "x", str(new), "--title", "T", "--link")
    assert f"cannot be linked into the store: {why}. Nothing was copied" in refused.message
    assert new.stat().st_mode & 0o777 == 0o640
    assert not store().has(sha256_bytes(b"new"))


@pytest.mark.parametrize("name", ["../../evil", "a/b", "Big", "", "-x "])
def test_a_dataset_is_not_called_so(directory: Path, tmp_path: Path, name: str) -> None:
    new = tmp_path / "new.root"
    new.write_bytes(b"new")
    refused = error(SpecificationError, "add", "demo", "--title", "T", "--", name, str(new))
    assert "a dataset cannot be called" in refused.message
    assert sorted(tmp_path.rglob("*.yaml")) == sorted(directory.glob("*.yaml"))


def test_a_file_that_makes_no_dataset(directory: Path, tmp_path: Path) -> None:
    odd = tmp_path / "new\nline"
    odd.write_bytes(b"new")
    refused = error(SpecificationError, "add", "demo", "odd", str(odd), "--title", "T")
    assert "files.0.path: 'data/new\\nline' holds a character" in refused.message
    folder = error(SpecificationError, "add", "demo", "odd", str(tmp_path), "--title", "T")
    assert "is a directory, name its files" in folder.message


def test_what_is_fetched_for_one_project_is_kept_in_another(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("fetch", "demo")
    for name in ("images", "examples", "conditions"):
        (tmp_path / "other" / name).mkdir(parents=True)
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "other")))
    assert run("gc") == "0 files, 0 bytes removed; 1 kept\n"


def test_gc_keeps_what_a_run_used_as_long_as_its_results_are_there(
    directory: Path, tmp_path: Path
) -> None:
    digest = store().add_bytes(b"other")
    store().note_origin(digest, "https://portal.example/other")
    home = tmp_path / "elsewhere" / "demo" / "columnar"
    home.mkdir(parents=True)
    inputs = builders.inputs(datasets={"small": {"data/a.csv": digest}})
    write_record(builders.record(inputs=inputs), home)
    register(store(), tmp_path / "elsewhere")
    assert "0 files, 0 bytes removed" in run("gc")
    shutil.rmtree(tmp_path / "elsewhere")
    size = on_disk(digest)
    assert f"1 file, {size} removed" in run("gc")


def test_import_record(directory: Path, tmp_path: Path) -> None:
    record = {
        "recid": 7,
        "title": "Seven",
        "files": [
            {
                "uri": "root://eospublic.cern.ch//eos/opendata/cms/a.root",
                "size": 1,
                "checksum": "adler32:0000abcd",
            }
        ],
    }
    source = tmp_path / "record.json"
    source.write_text(json.dumps([record]))
    printed = yaml.safe_load(run("import-record", str(source)))
    assert printed["files"][0]["uris"][0] == "https://opendata.cern.ch/eos/opendata/cms/a.root"
    for name in ("seven.yaml", "seven.json"):
        run("import-record", str(source), "--to", str(directory / name), "--licence", "MIT")
        manifest = load_manifest(directory / name)
        assert (manifest.record, manifest.licence) == ("7", "MIT")
        assert manifest.files[0].path == "data/7/a.root"


def test_an_analysis_without_data(directory: Path) -> None:
    document = yaml.safe_load((directory / "analysis.yaml").read_text()) | {"datasets": {}}
    (directory / "analysis.yaml").write_text(yaml.safe_dump(document))
    assert "has no datasets" in error(SpecificationError, "fetch", "demo").message


def test_the_line_for_analysis_yaml_names_the_manifest(directory: Path, tmp_path: Path) -> None:
    record = {"recid": "7", "title": "t", "files": [{"uri": "https://x/a", "size": 1}]}
    record["files"][0]["checksum"] = "adler32:00000001"  # type: ignore[index]
    source = tmp_path / "record.json"
    source.write_text(json.dumps(record))
    for target, said in (
        (directory / "more" / "x.yaml", "    x: more/x.yaml\n"),
        (tmp_path / "elsewhere" / "y.json", "    y: …/y.json\n"),
    ):
        done = CliRunner().invoke(app, ["import-record", str(source), "--to", str(target)])
        assert done.exit_code == 0
        assert done.stderr.endswith(said)


def on_tape(names: str, tape: str, **changes: Any) -> dict[str, Any]:
    """Return a record of these files, some of which are on tape."""
    listed = [
        {
            "uri": f"root://eospublic.cern.ch//eos/opendata/cms/{name}",
            "size": 12,
            "checksum": f"adler32:{zlib.adler32(DATA):08x}",
            "key": name,
            "availability": "on demand" if name in tape else "online",
        }
        for name in names
    ]
    return {"recid": 7, "title": "Seven", "files": listed} | changes


def test_a_part_of_a_record_is_never_taken_for_the_whole(directory: Path, tmp_path: Path) -> None:
    source = tmp_path / "record.json"
    stated = {"number_files": 3, "size": 36, "number_events": 100}
    source.write_text(json.dumps(on_tape("abc", "c", distribution=stated)))
    done = CliRunner().invoke(app, ["import-record", str(source), "--format", "json"])
    whole = json.loads(done.stdout)
    assert whole["availability"] == {"online": 2, "on demand": 1}
    assert "1 of 3 files are on tape: data fetch --stage asks the portal" in done.stderr
    assert (whole["manifest"]["events"], "part_of" in whole["manifest"]) == (100, False)
    for chosen in (["--online"], ["--files", "[ab]"]):
        part = yaml.safe_load(run("import-record", str(source), *chosen))
        assert [file["path"] for file in part["files"]] == ["data/7/a", "data/7/b"]
        assert (part["part_of"], "events" in part) == ({"files": 3, "size": 36}, False)
    nothing = error(SpecificationError, "import-record", str(source), "--files", "*.root")
    assert "--files '*.root' matches none of root:" in nothing.message
    tape = error(InputsGoneError, "import-record", str(source), "--files", "c", "--online")
    assert "the portal has all of 1 file on tape" in tape.message
    source.write_text(json.dumps(on_tape("ab", "", distribution=stated)))
    assert "states 3 files" in error(SpecificationError, "import-record", str(source)).message
    manifest = directory / "small.yaml"
    manifest.unlink()
    said = run("import-record", str(source), "--partial", "--to", str(manifest))
    assert said == f"{manifest}: 2 of 3 files of the record, 24 bytes\n"
    assert "NO LICENCE; 2 of 3 files of the record" in run("list")


def test_some_files_are_fetched(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = on_tape("abc", "bc")
    (directory / "small.yaml").write_text(manifest_text(dataset_of(record), as_json=False))
    monkeypatch.setattr("reprun.data.portal.record_from_portal", lambda _: record)
    for name in "abc":
        (directory.parents[1] / "mirror" / "cms" / name).parent.mkdir(exist_ok=True)
        (directory.parents[1] / "mirror" / "cms" / name).write_bytes(DATA)
    online = run("fetch", "demo", "--online")
    assert online.startswith("small: 1 of 3 files, 12 bytes, verified\n2 files on tape at the port")
    assert len(load_manifest(directory / "small.yaml").unpinned) == 2
    assert "have no sha256 yet" in error(SpecificationError, "verify", "demo").message
    assert "1 of 3 files, 12 bytes, verified\n1 sha256" in run("fetch", "demo", "--files", "*/b")
    assert "matches none" in error(SpecificationError, "fetch", "demo", "--files", "x").message
    assert run("fetch", "demo").startswith("small: 3 files, 36 bytes, verified\n1 sha256")
    write(directory, {"path": "data/a.csv", "size": 12, "sha256": sha256_bytes(DATA)})
    assert "names no record" in error(SpecificationError, "fetch", "demo", "--online").message

"""Datasets: fetched from the first source that has the right bytes, or refused with all answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reprun.data import ResolvedFile, check_committed, resolve, sources, stage, transfer
from reprun.digests import sha256_bytes, sha256_file
from reprun.documents.manifest import Dataset
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError, StorageError
from reprun.progress import Silent
from reprun.store import store as store_module
from reprun.store.store import Store
from tests.data_support import dataset
from tests.http_server import DATA, DIGEST, Server
from tests.store_support import rot

pytestmark = pytest.mark.usefixtures("no_mirrors", "no_waiting")


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    """An analysis directory without any data."""
    directory = tmp_path / "analysis"
    directory.mkdir()
    return directory


def mirror(directory: Path, data: bytes = DATA, path: str = "data/a.csv") -> Path:
    (directory / path).parent.mkdir(parents=True)
    (directory / path).write_bytes(data)
    return directory


# -- order of the sources -----------------------------------------------------------------------


def test_committed_file_comes_first(own: Store, analysis: Path, server: Server) -> None:
    mirror(analysis)
    found = resolve(dataset(server.url("good")), analysis, own, Silent())
    assert found == (ResolvedFile("data/a.csv", DIGEST, analysis / "data" / "a.csv"),)
    assert server.asked == []
    assert not own.has(DIGEST)


def test_store_comes_before_the_network(own: Store, analysis: Path, server: Server) -> None:
    own.add_bytes(DATA)
    assert resolve(dataset(server.url("good")), analysis, own, Silent()) == (
        ResolvedFile("data/a.csv", DIGEST, None),
    )
    assert server.asked == []


def test_mirrors_come_in_order_before_the_uris(
    own: Store, analysis: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = mirror(tmp_path / "second")
    monkeypatch.setenv("REPRUN_MIRRORS", f"{server.url('missing')[:-8]}/none {second}/")
    opened: list[str] = []
    real = sources.opened

    def noted(source: str, *more: Any) -> Any:
        opened.append(source)
        return real(source, *more)

    monkeypatch.setattr(transfer, "opened", noted)
    resolve(dataset(server.url("good")), analysis, own, Silent())
    by_digest = f"none/blobs/sha256/{DIGEST[7:9]}/{DIGEST[7:]}"
    assert opened == [
        server.url("none/data/a.csv"),
        server.url(by_digest),
        f"{second}/data/a.csv",
    ]
    assert own.verified(DIGEST).read_bytes() == DATA
    resolve(dataset(server.url("good")), analysis, own, Silent())
    assert len(opened) == 3  # from the store


def test_another_machines_store_is_a_mirror(
    own: Store, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "other").add_bytes(DATA)
    monkeypatch.setenv("REPRUN_MIRRORS", str(tmp_path / "other"))
    resolve(dataset(), analysis, own, Silent())
    assert own.verified(DIGEST).read_bytes() == DATA


def test_a_mirror_that_is_not_there_is_refused_before_anything_is_asked(
    own: Store, analysis: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_MIRRORS", str(tmp_path / "typo"))
    with pytest.raises(SpecificationError, match="neither an existing directory nor a URL"):
        resolve(dataset(server.url("good")), analysis, own, Silent())
    assert server.asked == []


def test_uris_come_in_order(own: Store, analysis: Path, server: Server) -> None:
    resolve(dataset(server.url("missing"), server.url("good")), analysis, own, Silent())
    assert server.asked == ["/missing", "/good"]


def test_mirror_path_says_where_a_mirror_has_the_file(
    own: Store, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_MIRRORS", str(mirror(tmp_path / "m", path="records/1/a b.csv")))
    resolve(dataset(mirror_path="records/1/a b.csv"), analysis, own, Silent())
    assert own.has(DIGEST)


def test_mirror_url_is_quoted(
    own: Store, analysis: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_MIRRORS", server.url("mirror"))
    resolve(dataset(mirror_path="records/1/a b#1.csv"), analysis, own, Silent())
    assert server.asked == ["/mirror/records/1/a%20b%231.csv"]


def test_file_uri(own: Store, analysis: Path, tmp_path: Path) -> None:
    there = mirror(tmp_path / "with blank") / "data" / "a.csv"
    resolve(dataset(there.as_uri()), analysis, own, Silent())
    assert own.has(DIGEST)


@pytest.mark.parametrize("wrong", [b"wrong bytes\n", b"short\n", b"right bytes and more\n"])
def test_a_mirror_with_other_bytes_is_passed_over(
    own: Store, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: bytes
) -> None:
    mirrors = (mirror(tmp_path / "bad", wrong), mirror(tmp_path / "good"))
    monkeypatch.setenv("REPRUN_MIRRORS", " ".join(map(str, mirrors)))
    resolve(dataset(), analysis, own, Silent())
    assert own.verified(DIGEST).read_bytes() == DATA


def test_a_mirror_that_may_not_be_read_is_passed_over(
    own: Store, analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = mirror(tmp_path / "good")
    (tmp_path / "denied").mkdir()
    monkeypatch.setenv("REPRUN_MIRRORS", f"{tmp_path}/denied {good}")
    real = Path.open

    def denied(path: Path, *arguments: Any, **named: Any) -> Any:
        if "denied" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", denied)
    resolve(dataset(), analysis, own, Silent())
    assert own.has(DIGEST)


# -- sources that fail --------------------------------------------------------------------------

FAILURES: Mapping[str, tuple[str, int]] = {
    "missing": ("HTTP 404 Not Found", 1),
    "cut": ("5 bytes read", 3),
    "chunks-cut": ("IncompleteRead", 3),
    "lies-short": (f"the server has 5 bytes, expected {len(DATA)}", 1),
    "lies-long": (f"the server has 500 bytes, expected {len(DATA)}", 1),
    "other-part": ("the server returned a different byte range", 2),
    "stalls": ("timed out", 3),
    "no-http": ("this is not HTTP", 3),
    "more": (f"20 bytes or more arrived, expected {len(DATA)}", 1),
    "endless": (f"bytes or more arrived, expected {len(DATA)}", 1),  # and no more read
    "other": (f"expected {DIGEST[7:19]}", 1),
    "hang-up": ("Remote end closed connection", 3),
}


@pytest.mark.parametrize("path", FAILURES)
def test_a_source_that_fails(
    own: Store, analysis: Path, server: Server, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STALL_SECONDS", 0.1)
    answer, attempts = FAILURES[path]
    with pytest.raises(InputsGoneError) as error:
        resolve(dataset(server.url(path)), analysis, own, Silent())
    assert f"{server.url(path)}: " in error.value.message
    assert answer in error.value.message
    assert len(server.asked) == attempts
    assert not own.has(DIGEST)
    left = [part.read_bytes() for part in (own.root / "incoming").glob("*")]
    assert all(DATA.startswith(part) for part in left)  # only what may go on


def test_a_connection_cut_once_is_tried_again(own: Store, analysis: Path, server: Server) -> None:
    resolve(dataset(server.url("cut-once")), analysis, own, Silent())
    assert own.verified(DIGEST).read_bytes() == DATA
    assert server.asked == ["/cut-once", "/cut-once"]


def test_a_file_without_any_source(own: Store, analysis: Path) -> None:
    with pytest.raises(InputsGoneError, match="no source is named"):
        resolve(dataset(), analysis, own, Silent())


def test_only_the_files_that_fail_are_listed(own: Store, analysis: Path, server: Server) -> None:
    good = dataset(server.url("good")).files[0]
    bad = good.model_copy(
        update={"path": "b", "sha256": sha256_bytes(b"b"), "uris": (server.url("missing"),)}
    )
    with pytest.raises(InputsGoneError, match=r"1 of 2 data files are not available:\n  b\n"):
        resolve(Dataset(title="two", files=(good, bad)), analysis, own, Silent())
    assert own.has(DIGEST)  # what was had is kept


def test_of_many_files_that_fail_a_few_are_listed_and_the_rest_counted(
    own: Store, analysis: Path, server: Server
) -> None:
    good = dataset(server.url("good")).files[0]
    address = server.url("missing")
    files = tuple(
        good.model_copy(
            update={"path": name, "sha256": sha256_bytes(name.encode())[7:], "uris": (address,)}
        )
        for name in (f"file-{number:02}" for number in range(87))
    )
    with pytest.raises(InputsGoneError) as error:
        resolve(Dataset(title="many", files=files), analysis, own, Silent())
    first, *listed, last = error.value.message.splitlines()
    assert first == "87 of 87 data files are not available:"
    assert listed[::2] == [f"  file-{number:02}" for number in range(5)]
    assert all(line.startswith(f"    {address}: HTTP 404") for line in listed[1::2])
    assert last == "  and 82 more"


def test_a_full_disk_is_no_fault_of_the_source(
    own: Store, analysis: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(StorageError, match="the disk is full"):
        resolve(dataset(server.url("good")), analysis, own, Silent())


# -- bytes that have changed --------------------------------------------------------------------


def test_a_flipped_byte_in_a_committed_table(own: Store, analysis: Path) -> None:
    table = mirror(analysis) / "data" / "a.csv"
    check_committed(dataset(), analysis)
    content = bytearray(DATA)
    content[3] ^= 1
    table.write_bytes(content)
    for check in (
        lambda: check_committed(dataset(), analysis),
        lambda: resolve(dataset(), analysis, own, Silent()),
    ):
        with pytest.raises(IntegrityError, match=r"data/a\.csv has changed") as error:
            check()
        assert DIGEST[7:19] in error.value.message
        assert sha256_file(table)[7:19] in error.value.message
        assert error.value.place == str(table)
        assert error.value.hint is not None
        assert error.value.hint.startswith(f"cp BACKUP {table}   # or, if the change is meant")
    (analysis / ".git").mkdir()
    with pytest.raises(IntegrityError) as error:
        check_committed(dataset(), analysis)
    assert str(error.value.hint).startswith(f"git checkout -- {table}")


def test_a_committed_file_that_is_absent_is_not_checked(analysis: Path) -> None:
    check_committed(dataset(), analysis)


def test_a_flipped_byte_in_the_store(own: Store, analysis: Path, server: Server) -> None:
    own.add_bytes(DATA)
    own.blob_path(DIGEST).chmod(0o644)
    own.blob_path(DIGEST).write_bytes(b"wrong bytes\n")
    with pytest.raises(IntegrityError, match="in the store is corrupt"):
        resolve(dataset(server.url("good")), analysis, own, Silent())


# -- staging ------------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def test_stage_from_the_store_and_from_the_analysis(
    own: Store, analysis: Path, workspace: Path
) -> None:
    own.add_bytes(DATA)
    committed = mirror(analysis, b"code", "code/x.py") / "code" / "x.py"
    files = {
        "data/a.csv": ResolvedFile("data/a.csv", DIGEST, None),
        "code/x.py": ResolvedFile("code/x.py", sha256_bytes(b"code"), committed),
    }
    assert stage(files, workspace, own) == ["data/a.csv", "code/x.py"]
    assert (workspace / "data" / "a.csv").read_bytes() == DATA
    assert (workspace / "code" / "x.py").read_bytes() == b"code"
    (workspace / "code" / "x.py").write_bytes(b"edited in the workspace")
    assert committed.read_bytes() == b"code"


def test_stage_leaves_right_files_and_their_times_alone(own: Store, workspace: Path) -> None:
    own.add_bytes(DATA)
    files = {"a": ResolvedFile("a", DIGEST, None)}
    stage(files, workspace, own)
    before = (workspace / "a").stat().st_mtime_ns
    assert stage(files, workspace, own) == []
    assert (workspace / "a").stat().st_mtime_ns == before


def test_data_are_hashed_whenever_they_are_staged(own: Store, workspace: Path) -> None:
    """Rot that keeps size and times shows in no stamp; it must not reach a step."""
    own.add_bytes(DATA)
    files = {"a": ResolvedFile("a", DIGEST, None)}
    rot(own.blob_path(DIGEST))
    with pytest.raises(IntegrityError, match="in the store is corrupt"):
        stage(files, workspace, own)
    own.quarantine(DIGEST)
    own.add_bytes(DATA)
    stage(files, workspace, own)
    rot(workspace / "a")  # and the blob, of which it is another name
    with pytest.raises(IntegrityError, match="in the store is corrupt"):
        stage(files, workspace, own)


def test_stage_replaces_other_bytes_with_a_new_time(
    own: Store, analysis: Path, workspace: Path
) -> None:
    """Snakemake re-runs by time: a changed input must be newer than what was made from it."""
    own.add_bytes(DATA)
    blob = own.blob_path(DIGEST)
    (workspace / "a").parent.mkdir()
    (workspace / "a").write_bytes(b"other")
    made = workspace.with_name("made")
    made.touch()
    assert stage({"a": ResolvedFile("a", DIGEST, None)}, workspace, own) == ["a"]
    assert (workspace / "a").read_bytes() == blob.read_bytes()
    assert (workspace / "a").stat().st_mtime_ns >= made.stat().st_mtime_ns


def test_stage_replaces_a_link(own: Store, workspace: Path, tmp_path: Path) -> None:
    own.add_bytes(DATA)
    target = tmp_path / "elsewhere"
    target.write_bytes(DATA)
    workspace.mkdir()
    (workspace / "a").symlink_to(target)
    assert stage({"a": ResolvedFile("a", DIGEST, None)}, workspace, own) == ["a"]
    assert not (workspace / "a").is_symlink()


def test_staging_does_not_make_the_store_hash_the_blob_again(
    own: Store, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.add_bytes(DATA)
    stage({"a": ResolvedFile("a", DIGEST, None)}, workspace, own)
    hashed: list[Path] = []
    monkeypatch.setattr(store_module, "sha256_file", hashed.append)
    own.verified(DIGEST)
    assert hashed == []

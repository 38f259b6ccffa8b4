"""Portal records become manifests with the file list that cernopendata-client gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprun.bounded import limits
from reprun.data.portal import record_from_portal, staged
from reprun.data.records import (
    availability_of,
    dataset_of,
    disagreement,
    files_of,
    incomplete,
    int_of,
    record_from_file,
)
from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError, SpecificationError
from reprun.progress import Silent
from tests.http_server import Server
from tests.real_data import shared_data

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDS = {
    ("atlas-2020-4lep", 15005): (111, 975705245),
    ("atlas-odeo-FEB2025-exactly4lep-data", 93924): (16, 581985898),
    ("cms-csv-files", 554): (1, 1130837),
    ("cms-csv-files", 700): (11, None),
    ("cms-derived-csv-2012", 5200): (11, 28787601),
    ("lhcb-antimatter-matters-2017", 4900): (3, 1113480280),
    ("lhcb-antimatter-matters-2017", 4901): (1, 496943),
    ("lhcb-antimatter-matters-2017", 4902): (1, 5204130),
}


class Lines(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def real(name: str, number: int) -> dict[str, Any]:
    return record_from_file(shared_data() / "opendata-records" / f"{name}.json", number)


@pytest.mark.parametrize("name_and_number", RECORDS)
def test_every_file_of_a_real_record(name_and_number: tuple[str, int]) -> None:
    record = real(*name_and_number)
    dataset = dataset_of(record)
    count, size = RECORDS[name_and_number]
    assert len(dataset.files) == count
    if size is not None:
        assert dataset.size == size  # what the record itself says
    listed = [(f["uri"], f["size"], f["checksum"]) for f in record["files"]]
    assert [(f.uri, f.size, f.checksum) for f in files_of(record)] == listed
    assert dataset.part is None
    assert incomplete(record) is None
    # One of the portal's records is wrong about its size.
    assert (disagreement(record) is None) == (name_and_number[1] != 554)
    assert [(f.uris[-1], f.size, f"adler32:{f.adler32}") for f in dataset.files] == listed
    assert all(
        f.uris[0].startswith("https://opendata.cern.ch/eos/opendata/") for f in dataset.files
    )
    assert len(dataset.unpinned) == count
    assert dataset.record == str(name_and_number[1])
    assert dataset.doi == record["doi"]


def test_what_the_record_says_of_itself() -> None:
    dataset = dataset_of(real("cms-derived-csv-2012", 5200))
    assert dataset.licence == "CC0-1.0"
    assert dataset.dphep_level == "2"
    assert dataset.experiment == "CMS"
    assert str(dataset.acknowledgement).startswith("McCauley, Thomas (2019). ")
    assert str(dataset.acknowledgement).endswith("DOI:10.7483/OPENDATA.CMS.YGG7.333M")
    assert dataset.files[0].path == "data/5200/2e2mu_2011.csv"
    assert dataset_of(real("lhcb-antimatter-matters-2017", 4900)).licence is None


def test_file_indices_are_unfolded_and_equal_names_told_apart() -> None:
    def file(path: str) -> dict[str, Any]:
        return {"uri": f"root://h//eos/{path}", "size": 1, "checksum": "adler32:1"}

    record = {
        "recid": 1,
        "title": "/DoubleMu/Run2012B-22Jan2013-v1/AOD",
        "files": [file("x/a.root")],
        "_file_indices": [{"key": "k", "files": [file("y/a.root"), file("y/b.root")]}],
    }
    dataset = dataset_of(record)
    assert [f.path for f in dataset.files] == [
        "data/1/x/a.root",
        "data/1/y/a.root",
        "data/1/y/b.root",
    ]
    assert dataset.data_tier == "AOD"
    assert dataset.files[0].adler32 == "00000001"


def test_one_of_several_must_be_named() -> None:
    path = shared_data() / "opendata-records" / "cms-csv-files.json"
    with pytest.raises(SpecificationError, match="the records here are 554, 700") as error:
        record_from_file(path)
    assert str(error.value.hint).endswith("--record 554")
    with pytest.raises(SpecificationError, match="there is no 1"):
        record_from_file(path, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not valid JSON"),
        ("[]", "the records here are none"),
        ('{"recid": 1}', "lists no files"),
        (
            '{"recid": 1, "files": [{"uri": "root://h//a", "size": 1, "checksum": "md5:0"}]}',
            "has no adler32",
        ),
        (
            '{"recid": 1, "files": [{"uri": "ftp://h//a", "size": 1, "checksum": "adler32:0"}]}',
            "cannot be made into a manifest",
        ),
        ("\0", "not valid JSON"),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=said):
        dataset_of(record_from_file(path), str(path))


def test_the_portal_is_asked_by_number(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRUN_PORTAL", server.url("portal"))
    server.pages["/portal/api/records/5200"] = json.dumps(
        {"id": 5200, "metadata": real("cms-derived-csv-2012", 5200)}
    ).encode()
    assert len(dataset_of(record_from_portal(5200)).files) == 11
    with pytest.raises(SpecificationError, match="the portal has no record 1"):
        record_from_portal(1)
    monkeypatch.setenv("REPRUN_PORTAL", "http://127.0.0.1:1")
    with pytest.raises(InputsGoneError, match="the portal does not respond") as error:
        record_from_portal(1)
    assert str(error.value.hint).startswith("reprun data import-record FILE")


@pytest.mark.parametrize("text", ["²", "٣", "-1", "1.0", ""])
def test_what_is_no_number_of_a_record(text: str) -> None:
    assert int_of(text) is None


def test_a_portal_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRUN_PORTAL", "nonsense")
    with pytest.raises(
        SpecificationError, match=r"REPRUN_PORTAL is not an http.s. URL: 'nonsense'"
    ):
        record_from_portal(1)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"[" * 200 + b"]" * 200, "nested more than 100 levels"),
        (b'{"metadata": ' + b" " * 2000 + b"1}", "it has more than 1,000 bytes"),
        (b"<html>", "Expecting value"),
        (b"\xff", "can't decode byte"),
    ],
)
def test_what_a_portal_answers_is_read_within_limits(
    server: Server, monkeypatch: pytest.MonkeyPatch, page: bytes, reason: str
) -> None:
    monkeypatch.setattr(limits, "JSON_BYTES", replace(limits.JSON_BYTES, value=1000))
    monkeypatch.setenv("REPRUN_PORTAL", server.url("portal"))
    server.pages["/portal/api/records/5200"] = page
    with pytest.raises(InputsGoneError, match=f"the portal answers what is not read: .*{reason}"):
        record_from_portal(5200)


def test_a_portal_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRUN_PORTAL", "http://127.0.0.1:1")
    with pytest.raises(InputsGoneError) as error:
        record_from_portal(1)
    assert "does not respond: [Errno 111] Connection refused" in error.value.message


@pytest.mark.parametrize(("name", "number"), RECORDS)
def test_the_file_list_is_that_of_cernopendata_client(name: str, number: int) -> None:
    """What its release 1.0.2 lists, in its order; `tools/cernopendata-listing` wrote it down."""
    recorded = json.loads((DATA / "cernopendata_client.json").read_text())["records"][str(number)]
    dataset = dataset_of(real(name, number))
    lines = [f"{file.uris[-1]}\t{file.size}\tadler32:{file.adler32}" for file in dataset.files]
    assert len(lines) == recorded["files"]
    assert sha256_bytes("\n".join(lines).encode()) == f"sha256:{recorded['sha256']}"


@pytest.mark.parametrize("kind", ["index.json", "index.txt"])
def test_an_index_is_no_data(kind: str) -> None:
    record = real("cms-derived-csv-2012", 5200)
    index = {**record["files"][0], "uri": f"{record['files'][0]['uri']}.{kind}", "type": kind}
    assert files_of({**record, "files": [index, *record["files"]]}) == files_of(record)


def test_a_record_of_indexes_alone_says_where_the_files_are() -> None:
    index = {"uri": "root://x//a_index.json", "size": 1, "checksum": "", "type": "index.json"}
    record = {
        "recid": "90001",
        "files": [index, index],
        "distribution": {"number_files": 1200, "size": 3_000_000_000_000},
    }
    with pytest.raises(SpecificationError) as caught:
        dataset_of(record)
    assert caught.value.message == (
        "record 90001 lists 2 file indexes and none of the files behind them (1,200 files, 3.0 TB)"
    )
    assert "import-record 90001" in (caught.value.hint or "")
    with pytest.raises(SpecificationError, match=r"1 file index and none of the files behind it$"):
        dataset_of({"recid": "1", "files": [index]})


def listing(*names: str, **changes: Any) -> list[dict[str, Any]]:
    """Return files as a record or an index lists them."""
    home = "root://eospublic.cern.ch//eos/opendata/cms"
    facts = {"size": 10, "checksum": "adler32:00000001"} | changes
    return [{"uri": f"{home}/{name}", "key": name, **facts} for name in names]


def of_indexes(**changes: Any) -> dict[str, Any]:
    """Return a record of three files behind two indexes, whose own checksums are sha1."""
    indexes = [
        *listing("one.json", type="index.json", checksum="sha1:0"),
        *listing("one.txt", type="index.txt", checksum="sha1:0"),
        *listing("two.json", type="index.json", checksum="sha1:0"),
    ]
    record = {"recid": "28001", "title": "t", "files": indexes}
    return record | {"distribution": {"number_files": 3, "size": 30}} | changes


def serve(server: Server, monkeypatch: pytest.MonkeyPatch, **pages: Any) -> None:
    monkeypatch.setenv("REPRUN_PORTAL", server.url("portal"))
    for path, page in pages.items():
        server.pages[f"/portal/{path}"] = json.dumps(page).encode()


def test_file_indexes_are_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {
        "api/records/28001": {"metadata": of_indexes()},
        "eos/opendata/cms/one.json": listing("a", "b"),
        "eos/opendata/cms/two.json": listing("c"),
    }
    serve(server, monkeypatch, **pages)
    record = record_from_portal(28001)
    assert [file.key for file in files_of(record)] == ["a", "b", "c"]
    assert incomplete(record) is None
    assert dataset_of(record).part is None
    unfolded = [{"key": "one.json", "files": listing("a", "b")}, {"key": "two.json"}]
    pages["api/records/28001"] = {"metadata": of_indexes(_file_indices=unfolded)}
    pages["record/28001/file_index/two.json"] = {"key": "two.json", "files": listing("c")}
    serve(server, monkeypatch, **pages)
    assert [file.key for file in files_of(record_from_portal(28001))] == ["a", "b", "c"]
    del server.pages["/portal/record/28001/file_index/two.json"]
    with pytest.raises(InputsGoneError, match="the portal does not respond: 404"):
        record_from_portal(28001)


def test_a_record_that_lists_less_than_it_states_is_refused() -> None:
    record = of_indexes(_file_indices=[{"key": "one.json", "files": listing("a", "b")}])
    error = incomplete(record)
    assert error is not None
    assert error.message == "record 28001 states 3 files, 30 bytes, and lists 2 files, 20 bytes"
    assert "--partial" in str(error.hint)
    assert dataset_of(record).part == "2 of 3 files of the record"
    mixed = of_indexes(files=[*of_indexes()["files"], *listing("a")], distribution={})
    error = incomplete(mixed)
    assert error is not None
    assert "lists 3 file indexes and not the files behind them" in error.message


def test_some_files_of_a_record_are_said_to_be_some() -> None:
    record = {
        "recid": "7",
        "title": "t",
        "files": [*listing("x/a"), *listing("y/a"), *listing("b")],
    }
    some = dataset_of(record, files=files_of(record)[1:])
    assert [file.path for file in some.files] == ["data/7/y/a", "data/7/b"]
    assert some.part == "2 of 3 files of the record"
    with pytest.raises(SpecificationError, match="no file of record 7 is chosen"):
        dataset_of(record, files=[])


def test_a_summary_names_its_members() -> None:
    record = {"recid": "9", "relations": [{"recid": "10"}, {"doi": "x"}, {"recid": "11"}]}
    with pytest.raises(
        SpecificationError, match="lists no files; it refers to records 10, 11"
    ) as e:
        dataset_of(record)
    assert e.value.hint == "reprun data import-record 10"


def test_files_without_uri_or_size_are_no_files() -> None:
    with pytest.raises(SpecificationError, match="record 9 lists a file without URI or size"):
        files_of({"recid": "9", "files": [{"uri": "x"}]})
    with pytest.raises(SpecificationError, match="record 9 lists a file without URI or size"):
        files_of({"recid": "9", "files": ["x"]})


def test_files_on_tape_are_asked_for_and_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*listing("a", availability="online"), *listing("b", "c", availability="on demand")]
    tape = {"recid": "7", "files": files}
    serve(server, monkeypatch, **{"api/records/7": tape})
    assert availability_of(files_of(tape)) == {"online": 1, "on demand": 2}
    uris = [file.uri for file in files_of(tape)]
    said = Lines()
    assert staged(7, uris, said, request=False, wait=False) == set(uris[1:])
    assert server.posted == []
    with pytest.raises(InputsGoneError, match="the portal took no request for record 7: 404"):
        staged(7, uris, said, request=True, wait=False)
    server.pages["/portal/record/7/stage"] = b"OK"
    server.posted.clear()
    assert staged(7, uris[:2], said, request=True, wait=False) == {uris[1]}
    assert server.posted == [("/portal/record/7/stage", b'{"email": "", "file": "b"}')]
    assert said.lines == [
        "asked the portal to bring 1 of 2 files (10 bytes) online; this may take days"
    ]

    def online(_: float) -> None:
        serve(server, monkeypatch, **{"api/records/7": tape | {"files": listing("a", "b", "c")}})

    monkeypatch.setattr("reprun.data.portal.time.sleep", online)
    assert staged(7, uris, said, request=False, wait=True) == set()
    assert said.lines[-1] == "waiting for 2 files on tape (20 bytes)"

"""Portal records become manifests with the file list that cernopendata-client gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reprun.data.records import (
    dataset_of,
    files_of,
    int_of,
    record_from_file,
    record_from_portal,
)
from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError, SpecificationError
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
    assert files_of(record) == listed
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

"""Hostile files of histograms end with one of our errors that says what it is, or are read."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import uproot

from reprun.compare import compare
from reprun.errors import OutputMissingError, SpecificationError
from reprun.histograms import content_hash, open_objects, read_objects
from reprun.histograms.survey import survey
from tests import hostile_files
from tests.hostile_files import Case, cases
from tests.real_data import shared_data

pytestmark = pytest.mark.slow

SECONDS = 10


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_hostile_file_is_read_or_refused_at_once(tmp_path: Path, case: Case) -> None:
    path = tmp_path / f"x{case.suffix}"
    path.write_bytes(case.data)
    started = time.process_time()
    refused: OutputMissingError | None = None
    try:
        for name, thing in read_objects(path).items():
            name.encode()
            content_hash(thing)
    except OutputMissingError as error:
        refused = error
    if refused is not None:
        assert refused.message.startswith((f"{path.name} is not ", f"cannot read {path.name}: "))
        assert str(path) in (refused.place or "")
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("key_length 0", "it has more keys than fit into it"),
        ("key_length 0, few keys", "a key is shorter than its names"),
        ("two billion keys", "it has more keys than fit into it"),
        ("a directory in itself", "a directory is in itself, or in two others"),
        ("directories ten times each", "a directory is in itself, or in two others"),
        ("two gigabytes of nothing", "it has 2.1 GB once decompressed, of 101.0 kB on disk"),
        ("400 MB of zeros, TH3C", "it has 402.7 MB once decompressed, of 112.9 kB on disk"),
        ("a thousand keys of one bomb", "it has 8.0 GB once decompressed, of 101.0 kB on disk"),
    ],
)
def test_a_refusal_says_what_is_wrong(tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / "x.root"
    path.write_bytes(hostile_files.root()[name])
    with pytest.raises(OutputMissingError) as error:
        read_objects(path)
    assert error.value.message.startswith("x.root is not a readable ROOT file")
    assert words in error.value.message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("an object behind the end", "its bytes are not in the file"),
        ("ZL of 64 MB that says 100", "a block decompresses to another size"),
        ("ZS of 64 MB that says 100", "broken b'ZS' bytes"),
        ("a dictionary of 4 GB", "broken b'XZ' bytes"),
        ("an old compression that is broken", "broken b'CS' bytes"),
        ("an unknown compression", "compression b'QQ' is not supported"),
        ("200 MB of zeros, TH3C", "it has 201.3 MB once decompressed, of 6.5 kB in"),
    ],
)
def test_a_broken_object_is_not_comparable_and_hides_no_other(
    tmp_path: Path, name: str, words: str
) -> None:
    path = tmp_path / "x.root"
    path.write_bytes(hostile_files.root()[name])
    objects = read_objects(path)
    assert words in objects.unread["h"].fault
    (item,) = compare(objects, objects, [], dt.date(2026, 1, 1)).items
    assert not item.verdict.passes


@pytest.mark.parametrize("name", ["300000000 bins", "a plane", "a cube", "many histograms"])
def test_bins_that_a_file_only_declares_are_counted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(hostile_files.uhi()[name])
    with pytest.raises(OutputMissingError, match=r"declares [\d,]+ bins, more than the file has"):
        read_objects(path)


@pytest.mark.parametrize("case", [case for case in cases() if case.suffix == ".root"], ids=str)
def test_a_new_analysis_starts_from_it_or_not_at_once(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "x.root"
    path.write_bytes(case.data)
    started = time.process_time()
    with suppress(SpecificationError):
        survey(path)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("suffix", [".root", ".json", ".yoda", ".yaml", ".csv"])
def test_every_shared_file_is_within_the_limits(suffix: str) -> None:
    """What cannot be read is no file of results, and says so; nothing asks for too much."""
    read = 0
    for path in sorted(shared_data().rglob(f"*{suffix}")):
        if path.stat().st_size > 20_000_000:
            continue
        try:
            objects = read_objects(path)
        except OutputMissingError as error:
            told = error.message
            assert not any(
                words in told for words in ("declares", "once decompressed", "more than")
            )
        else:
            read += bool(objects.names)
    assert read or suffix not in (".root", ".csv")


def test_a_million_bins_may_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(hostile_files.axes(hostile_files.regular(900), 2))
    assert read_objects(path)["h"].values.shape == (902, 902)


def test_what_is_compressed_well_and_honest_is_read(tmp_path: Path) -> None:
    """An empty histogram of a million bins takes a thousandth of its size in a file."""
    path = tmp_path / "x.root"
    with uproot.recreate(path, compression=uproot.ZSTD(5)) as file:
        file["h"] = np.histogram2d([], [], bins=(1000, 1000))
    assert path.stat().st_size < 50_000
    assert open_objects(path).only(["h"])["h"].values.size == 1002 * 1002

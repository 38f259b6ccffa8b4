"""Conditions: both CMS schemas, validated runs, tables; each answer and each refusal."""

from __future__ import annotations

import csv
import os
import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from reprun.conditions.databases import FOREVER, open_index
from reprun.conditions.lumi import Mask, count_table, luminosity, read_mask
from reprun.conditions.mounts import check_revision, needs_network, prepare, refuse_network
from reprun.conditions.snapshot import Snapshot, find_snapshots, load_snapshot
from reprun.conditions.tables import changed_cells, read_table, sample_weight
from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.progress import Silent
from reprun.store.store import Store
from tests.conditions_support import NEW_TAG, OLD_TAG, new_index, old_index
from tests.real_data import shared_data

# -- databases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [OLD_TAG, f"{OLD_TAG}::All", OLD_TAG.lower()])
def test_the_old_schema(tmp_path: Path, tag: str) -> None:
    with open_index(old_index(tmp_path / "old.db")) as index:
        assert index.global_tags() == [OLD_TAG]
        beam, jets = index.entries(tag)
        assert (beam.record, beam.tag) == ("BeamSpotObjectsRcd", "BeamSpot_2011")
        assert (jets.label, jets.since, jets.until) == ("AK5PF", 160000, 180252)
        found = index.look_up(jets, 165000)
        assert found.interval.payload == f"sqlite_file:./{OLD_TAG}/JEC_AK5PF.db"
        for run in (159999, 180253):
            with pytest.raises(IntegrityError, match=f"JEC_AK5PF .* covers run {run}$"):
                index.look_up(jets, run)


def test_one_node_of_the_old_schema(tmp_path: Path) -> None:
    with open_index(old_index(tmp_path / "old.db")) as index:
        (jets,) = index.entries(f"{OLD_TAG}::JEC_AK5PF")
        assert jets.record == "JetCorrectionsRecord"


@pytest.mark.parametrize("lumi", ["Lumi", 2])
def test_the_new_schema(tmp_path: Path, lumi: str | int) -> None:
    path = new_index(tmp_path / "new.db", time_types={"Pixel_v1": lumi})
    with open_index(path) as index:
        assert index.global_tags() == [NEW_TAG]
        beam, pixel = index.entries(NEW_TAG)
        assert (beam.label, pixel.label) == ("", "forDigi")
        assert [(i.since, i.until, i.payload) for i in index.intervals(beam)] == [
            (100, 199, "aa"),
            (200, FOREVER, "bb"),
        ]
        for run, payload in ((100, "aa"), (199, "aa"), (200, "bb"), (10**6, "bb")):
            assert index.look_up(beam, run).interval.payload == payload
        with pytest.raises(IntegrityError, match=r"BeamSpot_v1 .* covers run 99$"):
            index.look_up(beam, 99)
        assert index.look_up(pixel, 150, 10).interval.payload == "cc"
        assert index.look_up(pixel, 151, 1).interval.payload == "cc"
        with pytest.raises(IntegrityError, match=r"run 150, luminosity block 9$"):
            index.look_up(pixel, 150, 9)


def test_an_end_of_validity_is_a_gap(tmp_path: Path) -> None:
    path = new_index(tmp_path / "new.db", ends={"BeamSpot_v1": 250})
    with open_index(path) as index:
        beam = index.entries(NEW_TAG)[0]
        assert index.look_up(beam, 250).interval.payload == "bb"
        with pytest.raises(IntegrityError, match="covers run 251"):
            index.look_up(beam, 251)


def test_the_interval_inserted_last_counts(tmp_path: Path) -> None:
    path = new_index(tmp_path / "new.db")
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO IOV VALUES ('BeamSpot_v1', 200, 'new', '2020-01-01')")
    db.close()
    with open_index(path) as index:
        assert index.look_up(index.entries(NEW_TAG)[0], 200).interval.payload == "new"


def test_a_tag_that_goes_by_time(tmp_path: Path) -> None:
    path = new_index(tmp_path / "new.db", time_types={"BeamSpot_v1": "Time"})
    with open_index(path) as index, pytest.raises(SpecificationError, match="indexed by time"):
        index.look_up(index.entries(NEW_TAG)[0], 200)


def test_what_is_no_conditions_database(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("this is not a database, however long it is, and never was one")
    with pytest.raises(SpecificationError, match="cannot be read as a conditions database"):
        open_index(text).__enter__()
    other = tmp_path / "b.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE x (y)")
    db.close()
    with pytest.raises(SpecificationError, match="neither TAGINVENTORY_TABLE nor TAG"):
        open_index(other).__enter__()
    with (
        open_index(new_index(tmp_path / "n.db")) as index,
        pytest.raises(SpecificationError, match="Did you mean '105X_test_v1'"),
    ):
        index.entries("105X_test_v2")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE IOV SET SINCE = 'soon'", "expected a run number or time, found 'soon'"),
        (
            "UPDATE TAG SET END_OF_VALIDITY = 'never'",
            "expected a run number or time, found 'never'",
        ),
        ("UPDATE TAG SET TIME_TYPE = 17", "indexed by '17'"),
        ("DROP TABLE IOV", "no such table: IOV"),
    ],
)
def test_a_database_that_holds_nonsense(tmp_path: Path, statement: str, said: str) -> None:
    path = new_index(tmp_path / "new.db")
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    with pytest.raises(SpecificationError, match=said), open_index(path) as index:
        _ = [(index.time_type(each), index.intervals(each)) for each in index.entries(NEW_TAG)]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = new_index(tmp_path / "new.db")
    before = path.read_bytes()
    path.chmod(0o444)
    with open_index(path) as index:
        index.entries(NEW_TAG)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["new.db"]


# -- validated runs -----------------------------------------------------------------------------

MASKS = {
    2011: ("Cert_160404-180252_7TeV_ReRecoNov08_Collisions11_JSON.txt", 470, 1235, 160526),
    2012: (
        "Cert_190456-208686_8TeV_22Jan2013ReReco_Collisions12_JSON.txt",
        572,
        2601,
        222264,
    ),
}


def real_mask(year: int) -> Mask:
    return read_mask(shared_data() / "cms-validated-runs" / MASKS[year][0])


@pytest.mark.parametrize("year", MASKS)
def test_the_real_masks(year: int) -> None:
    _, runs, ranges, blocks = MASKS[year]
    mask = real_mask(year)
    assert (len(mask.runs), mask.ranges, mask.blocks) == (runs, ranges, blocks)


def test_all_278_candidates_lie_in_validated_runs() -> None:
    before = after = 0
    for table in sorted((shared_data() / "cms-h4l" / "events").glob("*.csv")):
        counted = count_table(real_mask(int(table.stem[-4:])), table, "Run", None)
        before, after = before + counted.before, after + counted.after
        # The other year's mask holds none of them.
        other = real_mask({"2011": 2012, "2012": 2011}[table.stem[-4:]])
        assert count_table(other, table, "Run", None).after == 0
    assert (before, after) == (278, 278)


def test_real_events_are_masked_by_run_and_block() -> None:
    """10,000 events of 2015 hold none of 2012; with a mask made of them, exactly what is in it."""
    path = shared_data() / "cms-nanoaod" / "MuonEG_Run2015D_nanoAOD.root"
    with uproot.open(path) as file:
        tree = file["aod2nanoaod/Events"]
        runs = tree["run"].array(library="np")
        blocks = tree["luminosityBlock"].array(library="np")
    assert real_mask(2012).count(runs, blocks).after == 0
    run, block = int(runs[0]), int(blocks[0])
    mask = Mask({run: [(block, block + 3)]})
    slow = sum(r == run and block <= b <= block + 3 for r, b in zip(runs, blocks, strict=True))
    counted = mask.count(runs, blocks)
    assert counted.before == 10_000
    assert 0 < counted.after == slow
    assert mask.count(runs).after == int((runs == run).sum())


def test_both_ends_of_a_range_are_in() -> None:
    mask = Mask({7: [(2, 3), (5, 5)]})
    assert list(mask.select(np.full(6, 7), np.arange(1, 7))) == [0, 1, 1, 0, 1, 0]
    assert mask.has(7)
    assert mask.has(7, 5)
    assert not mask.has(7, 4)
    assert not mask.has(8)


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ('{"1": [[1, 2]],\n "2": [[1, 2]', "not a golden JSON: Expecting", 2),
        ('{"1": [[1, 2]],\n "x": [[1, 2]]}', "run x is not a run number", 2),
        ('{"1": [[1, 2]],\n\n "2": [[2, 1]]}', "run 2 has the range [2, 1]", 3),
        ('{\n"1": [[1, 2, 3]]}', "run 1 has the range [1, 2, 3]", 2),
        ('{\n"1": [[1.5, 2]]}', "run 1 has the range [1.5, 2]", 2),
        ('{\n"1": [1, 2]}', "run 1 has the range 1", 2),
        ('{\n"1": {}}', "run 1 has no list of ranges", 2),
        ('{\n"1": []}', "run 1 has no list of ranges", 2),
        ('{\n"1": [[1, 4], [4, 5]]}', "run 1 has ranges that overlap at luminosity block 4", 2),
        ('{"1": [[1, 4]], "1": [[5, 6]]}', "run 1 is duplicated", 1),
        ("{}", "it holds no runs", 1),
        ("[]", "it holds no runs", 1),
    ],
)
def test_a_malformed_golden_json(tmp_path: Path, text: str, said: str, line: int) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(SpecificationError) as error:
        read_mask(path)
    assert said in error.value.message
    assert error.value.place == f"{path}:{line}"


def test_luminosity_of_the_certified_part(tmp_path: Path) -> None:
    mask = Mask({7: [(1, 2)], 9: [(1, 1)]})
    table = tmp_path / "lumi.csv"
    table.write_text(
        "#Data tag : v1\n#run:fill,ls,time,delivered(/ub),recorded(/ub)\n"
        "7:1,1:1,t,9,1000000\n7:1,2:2,t,9,500000\n7:1,3:3,t,9,250000\n8:1,1:1,t,9,1\n"
        "#Summary:\n"
    )
    assert luminosity(mask, table) == 1.5
    table.write_text("#run:fill,time,delivered(/pb),recorded(/pb)\n7:1,t,9,2.5\n8:1,t,9,4\n")
    assert luminosity(mask, table) == 2.5
    for wrong in ("7:1,t,9,x\n", "7:1,t\n", "a:1,t,9,1\n"):
        table.write_text(f"#run:fill,time,delivered(/pb),recorded(/pb)\n{wrong}")
        with pytest.raises(SpecificationError, match="not a luminosity table") as error:
            luminosity(mask, table)
        assert error.value.place == f"{table}:2"


@pytest.mark.parametrize(
    ("text", "said"), [("run,x\n1,2\n", "no column 'Run'"), ("Run\nx\n", "not a table of events")]
)
def test_a_table_of_events_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "events.csv"
    table.write_text(text)
    with pytest.raises(SpecificationError, match=said):
        count_table(Mask({}), table, "Run", None)


# -- tables -------------------------------------------------------------------------------------


def test_weights_of_the_real_table() -> None:
    """sigma * k * eff * L / sum of weights, against exact arithmetic, for every row."""
    path = shared_data() / "atlas-metadata" / "metadata.csv"
    rows = read_table(path, "dataset_number")
    assert len(rows) == 373
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            exact = Fraction(row["crossSection_pb"]) * Fraction(row["kFactor"])
            exact *= Fraction(row["genFiltEff"]) * 36_600 / Fraction(row["sumOfWeights"])
            weight = sample_weight(rows[row["dataset_number"]], 36.6)
            assert weight == pytest.approx(float(exact), rel=1e-15 * 8, abs=0)
    assert sample_weight(rows["301204"], 36.6) == pytest.approx(0.001762 * 36600 / 20000)


def test_a_changed_row_is_metadata(tmp_path: Path) -> None:
    text = (shared_data() / "atlas-metadata" / "metadata.csv").read_text()
    changed = tmp_path / "metadata.csv"
    changed.write_text(text.replace("e3723,0.001762,", "e3723,0.0018,", 1))
    before = read_table(shared_data() / "atlas-metadata" / "metadata.csv", "dataset_number")
    (cell,) = changed_cells(before, read_table(changed, "dataset_number"))
    assert str(cell) == "metadata: row 301204: crossSection_pb 0.001762 → 0.0018"
    fewer = {name: row for name, row in before.items() if name != "301204"}
    assert list(map(str, changed_cells(before, fewer))) == ["metadata: row 301204 is gone"]
    assert list(map(str, changed_cells(fewer, before))) == ["metadata: row 301204 is new"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "has no column 'k'"),
        ("k,b\n1,2\n1,3\n", "k 1 is duplicated"),
        ("k,b\n1,2,3\n", "a different number of columns"),
        ("k,b\n1\n", "a different number of columns"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=said):
        read_table(path, "k")


@pytest.mark.parametrize("weights", ["0", "x"])
def test_a_row_without_a_weight(weights: str) -> None:
    row = {"crossSection_pb": "1", "kFactor": "1", "genFiltEff": "1", "sumOfWeights": weights}
    with pytest.raises(SpecificationError):
        sample_weight(row, 1.0)


# -- snapshots ----------------------------------------------------------------------------------

FILE = {"path": "a.db", "size": 5, "sha256": sha256_bytes(b"bytes")}
GOOD: dict[str, Any] = {
    "schema_version": 1,
    "name": "one",
    "kind": "correctionlib",
    "title": "t",
    "mount": "/conditions/one",
    "files": [FILE],
}
CVMFS = {
    "kind": "cvmfs",
    "files": [],
    "mount": "/cvmfs/x.cern.ch",
    "revision": 7,
    "root_hash": "ab" * 20,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mount": "conditions"}, "must be an absolute path"),
        ({"mount": "/a/../etc"}, "must be an absolute path"),
        ({"mount": "/"}, "must be an absolute path"),
        ({"mount": "/usr/lib/x"}, "would cover a part"),
        ({"mount": "/work/data"}, "would cover a part"),
        ({"files": []}, "needs `files`"),
        ({"kind": "sqlite-snapshot"}, "needs `global_tag`"),
        ({"kind": "table"}, "needs `key`"),
        ({"kind": "cvmfs"}, "needs `source`"),
        ({"kind": "frontier"}, "needs `servlet`"),
        ({"files": [FILE | {"sha256": None, "adler32": "00000001"}]}, "needs its sha256"),
        ({"files": [FILE, FILE]}, "is duplicated"),
        ({"files": [FILE | {"path": "../a"}]}, "must be a path inside"),
        ({"kind": "oracle"}, "Input should be"),
    ],
)
def test_a_snapshot_that_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Snapshot.model_validate(GOOD | change)


def test_the_snapshots_of_the_project() -> None:
    root = Path(__file__).resolve().parents[2]
    found = find_snapshots(root)
    assert set(found) == {
        "atlas-metadata",
        "cms-validated-runs-2011",
        "cms-validated-runs-2012",
        "toy-detector-2012",
    }
    for directory in found.values():
        snapshot = load_snapshot(directory)
        (file,) = snapshot.files
        committed = directory / file.path
        place = committed if committed.is_file() else shared_data() / str(file.mirror_path)
        assert place.stat().st_size == file.size


@pytest.mark.parametrize(
    ("text", "said"),
    [("a = ", "not valid TOML"), ("a = 1", "unknown field"), (None, "cannot read")],
)
def test_a_document_that_cannot_be_read(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "snapshot.toml").write_text(text)
    with pytest.raises(SpecificationError, match=said):
        load_snapshot(tmp_path)


def test_a_fault_of_a_snapshot_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "snapshot.toml").write_text(
        'schema_version = 1\nname = "x"\nkind = "table"\ntitle = "t"\nkey = "k"\n'
        'mount = "/conditions/x"\n\n[[files]]\npath = "a"\nsize = 1\nsha256 = "b"\n'
        '[[files]]\npath = "c"\nsize = "big"\n'
    )
    with pytest.raises(SpecificationError) as error:
        load_snapshot(tmp_path)
    assert error.value.message.splitlines() == [
        "files.0.sha256: must be a sha256, 64 digits of 0-9 and a-f, is 'b'",
        "    line 14: files.1.size: must be an integer, is 'big'",
    ]
    assert error.value.place == f"{tmp_path}/snapshot.toml:11"
    (tmp_path / "snapshot.toml").write_text("a = 1\nb = \n")
    with pytest.raises(SpecificationError, match="not valid TOML: Invalid value") as error:
        load_snapshot(tmp_path)
    assert error.value.place == f"{tmp_path}/snapshot.toml:2"


def test_the_digest_is_of_what_decides() -> None:
    one = Snapshot.model_validate(GOOD)
    assert one.digest == Snapshot.model_validate(GOOD | {"title": "other"}).digest
    for change in ({"mount": "/conditions/two"}, {"files": [FILE | {"path": "b"}]}):
        assert one.digest != Snapshot.model_validate(GOOD | change).digest


def test_prepare_lays_out_exactly_the_snapshot(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add_bytes(b"bytes")
    home = tmp_path / "run" / "conditions" / "one"
    home.mkdir(parents=True)
    (home / "stale.db").touch()
    snapshot = Snapshot.model_validate(GOOD)
    (mount,) = prepare({tmp_path: snapshot}, tmp_path / "run", store, Silent())
    assert (mount.source, mount.target) == (home, "/conditions/one")
    assert [path.name for path in home.iterdir()] == ["a.db"]
    assert (home / "a.db").stat().st_mode & 0o222 == 0
    absent = Snapshot.model_validate(GOOD | {"files": [FILE | {"sha256": "0" * 64}]})
    with pytest.raises(InputsGoneError):
        prepare({tmp_path: absent}, tmp_path / "run", store, Silent())


def test_snapshots_may_share_a_mount(tmp_path: Path) -> None:
    """As the global tags of data and of simulation do, that CMS keeps in one repository."""
    store = Store(tmp_path / "store")
    store.add_bytes(b"bytes")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    second = GOOD | {"name": "two", "files": [FILE | {"path": "b.db"}]}
    snapshots = {
        tmp_path / "one": Snapshot.model_validate(GOOD),
        tmp_path / "two": Snapshot.model_validate(second),
    }
    (mount,) = prepare(snapshots, tmp_path / "run", store, Silent())
    assert mount.target == "/conditions/one"
    assert sorted(path.name for path in mount.source.iterdir()) == ["a.db", "b.db"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "one and two both bring a.db to /conditions/one"),
        ({"mount": "/conditions/one/below"}, "one mount would hide the other"),
        (CVMFS | {"mount": "/conditions/one", "source": "/x"}, "cannot both be mounted at"),
    ],
)
def test_snapshots_in_each_other_s_way(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    second = Snapshot.model_validate(GOOD | {"name": "two"} | change)
    snapshots = {tmp_path / "one": Snapshot.model_validate(GOOD), tmp_path / "two": second}
    with pytest.raises(SpecificationError, match=said):
        prepare(snapshots, tmp_path / "run", Store(tmp_path / "store"), Silent())


def test_cvmfs_is_bound_at_its_pinned_revision(tmp_path: Path) -> None:
    repository = Path(__file__).parent / "cvmfs-of-the-tests"  # tmpfs may know no attributes
    repository.mkdir()
    try:
        snapshot = Snapshot.model_validate(GOOD | CVMFS | {"source": str(repository)})
        with pytest.raises(InputsGoneError, match="is not a mounted CVMFS repository"):
            check_revision(snapshot)
        os.setxattr(repository, "user.revision", b"7")
        os.setxattr(repository, "user.root_hash", b"ab" * 20)
        (mount,) = prepare({tmp_path: snapshot}, tmp_path, Store(tmp_path), Silent())
        assert (mount.source, mount.target) == (repository, "/cvmfs/x.cern.ch")
        os.setxattr(repository, "user.revision", b"8")
        with pytest.raises(IntegrityError, match=r"is at revision 8 .* pinned is 7"):
            check_revision(snapshot)
    finally:
        repository.rmdir()


def test_frontier_needs_a_word(tmp_path: Path) -> None:
    live = GOOD | {"kind": "frontier", "files": [], "servlet": "http://frontier.example/x"}
    snapshots = {tmp_path: Snapshot.model_validate(live)}
    with pytest.raises(SpecificationError, match="nothing of it is locked") as error:
        refuse_network(snapshots, "reprun run demo --allow-network")
    assert str(error.value.hint).startswith("reprun run demo --allow-network")
    assert needs_network(snapshots)
    hermetic = {tmp_path: Snapshot.model_validate(GOOD)}
    assert not needs_network(hermetic)
    refuse_network(hermetic, "")
    assert prepare(snapshots, tmp_path, Store(tmp_path), Silent()) == ()


LONG_FIELD = "1" * 200_000


@pytest.mark.parametrize("text", [f"Run\n{LONG_FIELD}\n", "Run,Lumi\n1\n", "Run\nx\n"])
def test_a_broken_table_of_events_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    table = tmp_path / "events.csv"
    table.write_text(text)
    columns = ("Run", "Lumi" if "Lumi" in text else None)
    with pytest.raises(SpecificationError, match="not a table of events: ") as refused:
        count_table(Mask({}), table, *columns)
    assert str(refused.value.place).startswith(f"{table}:")


def test_a_field_without_an_end_is_refused_in_every_table(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"k,v\n{LONG_FIELD},1\n")
    with pytest.raises(SpecificationError, match="not a table: field larger than"):
        read_table(table, "k")
    table.write_text(f"#{LONG_FIELD}\n")
    with pytest.raises(SpecificationError, match="not a luminosity table: field larger than"):
        luminosity(Mask({}), table)

"""The history of runs: rows from evidence alone, and what a series of them tells."""

from __future__ import annotations

import datetime as dt
import math
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_bytes
from reprun.documents.record import RECORD, REPORT_JSON, write_record
from reprun.errors import IntegrityError, ReprunError, SpecificationError, StorageError
from reprun.history import foreign, rows, series, summary
from reprun.history import importing as importing_module
from reprun.history.comparison import compared
from reprun.history.database import Database, file_system_of, looked_into, opened, statements
from reprun.history.evidence import evidence_in, made_of
from reprun.history.importing import import_history
from reprun.history.levels import FEWEST, last_jump, levels
from reprun.history.model import Entry, Run
from reprun.history.retention import Rule, prunable, prune
from reprun.history.rows import Night
from reprun.images.packages import Packages
from reprun.report.model import report_json
from reprun.store.store import Store
from tests.history_support import CODE, FIRST, GOOD, Nights, digest_of, report_of
from tests.unit import builders

OLD, NEW = digest_of("old"), digest_of("new")
PACKAGES = {
    OLD: Packages(wheels={"numpy": "2.1.3", "awkward": "2.8"}),
    NEW: Packages(wheels={"numpy": "2.2.0", "awkward": "2.8"}),
}
MOVED = {**GOOD, "m4l": "c" * 64}


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path / "results", packages=PACKAGES)


def read(nights: Nights) -> tuple[list[Night], str | None]:
    """Return the runs of the one cell, and what is said of it."""
    with looked_into(nights.path) as database:
        assert database is not None
        (cell,) = rows.cells(database)
        found = rows.nights(database, cell)
        return found, series.sentence(database, found)


def sentence(nights: Nights) -> str | None:
    return read(nights)[1]


# -- evidence ------------------------------------------------------------------------------------


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    """A run as it lies on the disk: a record that seals a report."""
    text = report_json(report_of(MOVED, ["m4l"]))
    (tmp_path / REPORT_JSON).write_text(text)
    write_record(builders.record(reports={REPORT_JSON: sha256_bytes(text.encode())}), tmp_path)
    return tmp_path


def test_the_verdict_is_that_of_the_sealed_report(run_directory: Path) -> None:
    found = evidence_in(run_directory)
    assert found is not None
    assert found.report_digest == sha256_bytes((run_directory / REPORT_JSON).read_bytes())
    assert found.record_digest == sha256_bytes((run_directory / RECORD).read_bytes())
    report = found.judged()
    assert report is not None
    assert report.status == "not reproduced"


def change_report(place: Path) -> None:
    (place / REPORT_JSON).write_text(report_json(report_of(GOOD)))


def remove_report(place: Path) -> None:
    (place / REPORT_JSON).unlink()


def unseal(place: Path) -> None:
    write_record(builders.record(), place)


def fail(place: Path) -> None:
    sealed = {REPORT_JSON: sha256_bytes((place / REPORT_JSON).read_bytes())}
    write_record(builders.record(status="failed", reports=sealed), place)


@pytest.mark.parametrize("harm", [change_report, remove_report, unseal, fail])
def test_a_report_that_no_finished_record_seals_is_no_verdict(
    run_directory: Path, harm: Any
) -> None:
    harm(run_directory)
    found = evidence_in(run_directory)
    assert found is not None
    assert (found.report, found.report_digest, found.judged()) == (None, None, None)


def test_without_a_record_there_is_no_evidence(run_directory: Path) -> None:
    (run_directory / RECORD).write_text("{")
    assert evidence_in(run_directory) is None
    (run_directory / RECORD).unlink()
    assert evidence_in(run_directory) is None


def test_every_factor_of_a_record_is_kept(run_directory: Path) -> None:
    found = evidence_in(run_directory)
    assert found is not None
    made = made_of(found, found.judged(), {})
    kinds = {factor.kind for factor in made.factors}
    assert kinds == {
        *("image", "data", "code", "parameter", "engine", "host", "program", "reference", "rules")
    }
    parameters = {f.name: f.value for f in made.factors if f.kind == "parameter"}
    assert parameters == {"bins": "10", "scale": "1.5"}
    assert [step.name for step in made.steps] == ["make", "plot"]


def test_very_many_files_are_one_factor(nights: Nights) -> None:
    many = {f"data/{n}.root": digest_of(str(n)) for n in range(2_001)}
    first = nights.add(0, datasets={"all": many})
    assert first.made is not None
    data = [factor for factor in first.made.factors if factor.kind == "data"]
    assert [(factor.name, factor.value) for factor in data] == [("all", "2,001 files")]
    nights.add(1, MOVED, bad=["m4l"], datasets={"all": many | {"data/7.root": digest_of("x")}})
    told = sentence(nights)
    assert told is not None
    assert "that one: data all (" in told


def test_a_row_without_its_report_is_refused(nights: Nights) -> None:
    entry = nights.entry(0)
    for lacking in ({"judged": None}, {"made": None}):
        with pytest.raises(IntegrityError, match="that is not there"):
            nights.write(entry.model_copy(update=lacking))
    other = nights.entry(1)
    with pytest.raises(IntegrityError, match="names a report that is not there"):
        nights.write(entry.model_copy(update={"judged": other.judged}))
    nights.write(nights.entry(2))
    assert len(read(nights)[0]) == 1, "nothing of a row that is refused stays"


# -- the file ------------------------------------------------------------------------------------


def test_the_file_is_one_for_other_programs(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, state="not run", sentence="no image")
    with closing(sqlite3.connect(nights.path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA user_version").fetchone() == (1,)
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []
        found = other.execute("SELECT analysis, state, verdict FROM nights ORDER BY at").fetchall()
    assert found == [("demo", "compared", "reproduced"), ("demo", "not run", None)]


@pytest.mark.parametrize(
    "row",
    [
        "'compared', 1, '', NULL, NULL, ''",  # a verdict without a report
        "'failed', 1, '', 1, 1, ''",  # a report without a verdict
        "'compared', 1, '', NULL, 1, ''",  # a report without a record
        "'reproduced', 1, '', 1, 1, ''",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(nights: Nights, row: str) -> None:
    nights.add(0)
    with (
        closing(sqlite3.connect(nights.path)) as other,
        pytest.raises(sqlite3.IntegrityError, match="CHECK"),
    ):
        other.execute(
            "INSERT INTO runs (identity, at, cell, image, state, ran, sentence, record, report,"
            f" origin) VALUES ('x', 'x', 1, 'x', {row})"
        )


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END", "has a trigger"),
        ("DROP VIEW nights", "view nights"),
        ("ALTER TABLE runs ADD COLUMN more", "table runs"),
        ("PRAGMA user_version = 2", "a newer reprun"),
    ],
)
def test_a_file_that_is_not_as_we_make_it_is_refused(
    nights: Nights, statement: str, said: str
) -> None:
    nights.add(0)
    with closing(sqlite3.connect(nights.path)) as other:
        other.execute(statement)
        other.commit()
    with pytest.raises(IntegrityError, match=said) as caught, opened(nights.path):
        pass
    assert "history.sqlite.refused" in str(caught.value.hint)
    with pytest.raises(IntegrityError, match=said), looked_into(nights.path):
        pass


def test_what_others_add_beside_our_tables_is_let_be(nights: Nights) -> None:
    nights.add(0)
    with closing(sqlite3.connect(nights.path)) as other:
        other.execute("CREATE VIEW mine AS SELECT at FROM runs")
        other.execute("CREATE INDEX by_image ON runs (image)")
    nights.add(1)
    assert len(read(nights)[0]) == 2


@pytest.mark.parametrize("data", [b"no database\n" * 400, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_an_error_with_a_next_step(nights: Nights, data: bytes) -> None:
    nights.path.parent.mkdir()
    nights.path.write_bytes(data)
    for open_it in (opened, looked_into):
        with pytest.raises(ReprunError) as caught, open_it(nights.path):
            pass
        assert caught.value.hint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET at = 'yesterday'",
        "UPDATE factors SET kind = 'moon'",
        "UPDATE objects SET name = x'ff'",
        "UPDATE reports SET verdict = 'perfect'",
        "UPDATE runs SET state = 'splendid'",
        "UPDATE cells SET analysis = x'00'",
    ],
)
def test_a_row_that_is_not_right_is_an_error_with_a_next_step(
    nights: Nights, statement: str
) -> None:
    nights.add(0)
    nights.add(1, MOVED, bad=["m4l"], parameters={"bins": 1})
    with closing(sqlite3.connect(nights.path)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute(statement)
        other.commit()

    def look() -> None:
        with looked_into(nights.path) as database:
            assert database is not None
            for each in summary.histories(database):
                summary.closer(database, each, None, None)

    with pytest.raises(IntegrityError, match=r"row that is not right") as caught:
        look()
    assert "history.sqlite.refused" in str(caught.value.hint)


def test_a_database_of_something_else_is_left_alone(nights: Nights) -> None:
    nights.path.parent.mkdir()
    with closing(sqlite3.connect(nights.path)) as other:
        other.execute("CREATE TABLE contacts (name)")
    with pytest.raises(IntegrityError, match="database of something else"), opened(nights.path):
        pass


def test_a_kill_between_two_statements_leaves_no_row(nights: Nights) -> None:
    nights.add(0)

    def killed() -> None:
        with opened(nights.path) as database, database.transaction():
            rows.add(database, nights.entry(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert len(read(nights)[0]) == 1


def test_a_reader_and_a_writer_do_not_wait_for_each_other(nights: Nights) -> None:
    nights.add(0)
    with looked_into(nights.path) as database:
        assert database is not None
        assert len(rows.cells(database)) == 1
        Nights(nights.results, analysis="other").add(0)
        assert len(rows.cells(database)) == 1, "what is read is of one moment"


def test_a_busy_history_is_an_error_in_time(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reprun.history.database.PATIENCE_SECONDS", 0.01)
    nights.add(0)
    with opened(nights.path) as database, database.transaction():
        with pytest.raises(StorageError, match="database is locked"):
            nights.add(1)
        rows.add(database, nights.entry(2))
    assert len(read(nights)[0]) == 2


def test_no_wal_on_file_systems_of_several_machines(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /eos/my\\040home rw - fuse.eosxd eos rw\n"
        "31 22 0:41 / /nfs rw shared:2 - nfs4 server:/x rw\nnonsense\n"
    )
    assert file_system_of(Path("/nfs/results/history.sqlite"), mounts) == "nfs4"
    assert file_system_of(Path("/eos/my home/x"), mounts) == "fuse.eosxd"
    assert file_system_of(Path("/nfsx/x"), mounts) == "ext4"
    assert file_system_of(Path("/x"), tmp_path / "none") == ""


def test_a_rollback_journal_where_there_is_no_shared_memory(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reprun.history.database.file_system_of", lambda _: "nfs4")
    with opened(nights.path) as database:
        assert "nfs4" in database.note
        with database.transaction():
            rows.add(database, nights.entry(0))
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert len(read(nights)[0]) == 1


def test_the_same_run_is_written_once(nights: Nights) -> None:
    entry = nights.entry(0)
    assert nights.write(entry, entry) == 1
    assert nights.write(entry) == 0
    nights.again(1, entry)
    found, _ = read(nights)
    assert [night.ran for night in found] == [True, False]
    assert len({night.identity for night in found}) == 2
    assert {night.verdict for night in found} == {"reproduced"}


# -- since when, and what changed ----------------------------------------------------------------


def test_a_green_cell_has_no_sentence(nights: Nights) -> None:
    nights.add(0, MOVED, bad=["m4l"])
    nights.add(1)
    assert sentence(nights) is None


def test_the_packages_of_an_image_are_named(nights: Nights) -> None:
    first = nights.add(0, images={"columnar": OLD})
    nights.again(1, first)
    nights.add(2, MOVED, bad=["m4l"], images={"columnar": NEW})
    nights.add(3, state="not run", sentence="the image is not here")
    nights.add(4, MOVED, bad=["m4l"], images={"columnar": NEW})
    assert sentence(nights) == (
        "red since 2026-03-03; between the last good run and that one: "
        "image columnar (numpy 2.1.3 → 2.2.0)"
    )


def test_lines_of_code_and_rows_of_tables_are_found(nights: Nights) -> None:
    tables = [b"dsid,kFactor\n1,1.0\n2,1.0\n", b"dsid,kFactor\n1,1.1\n2,1.0\n"]
    code = [CODE, CODE.replace(b"fill()", b"fill(0.5)")]
    nights.tables = {"rows/payload": "dsid"}
    for day in (0, 1):
        nights.add(
            day,
            MOVED if day else GOOD,
            bad=["m4l"] if day else [],
            conditions={"rows": {"payload": sha256_bytes(tables[day])}},
            code={"code/fill.py": sha256_bytes(code[day])},
            texts=(tables[day], code[day]),
        )
    assert sentence(nights) == (
        "red since 2026-03-02; between the last good run and that one: "
        "conditions rows/payload (row 1: kFactor 1.0 → 1.1); code code/fill.py (2 lines)"
    )
    with looked_into(nights.path) as database:
        assert database is not None
        one, other = rows.nights(database, rows.cells(database)[0])
        found = compared(database, one.name, other.name)
    details = {change.name: change.details for change in found.factors if not change.same}
    assert details["code code/fill.py"] == ("line 2: - fill()", "line 2: + fill(0.5)")


def test_bytes_that_are_gone_are_said_to_be(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, code={"code/fill.py": digest_of("other")}, texts=())
    with looked_into(nights.path) as database:
        assert database is not None
        one, other = rows.nights(database, rows.cells(database)[0])
        found = compared(database, one.name[:6], other.identity)
        (change,) = [each for each in found.factors if each.name == "code code/fill.py"]
        assert (change.details, change.unknown) == ((), "its bytes are gone")
        with pytest.raises(SpecificationError, match="no run is called 'zzzz'"):
            compared(database, "zzzz", one.name)
        with pytest.raises(SpecificationError, match="no run is called '%'"):
            compared(database, "%", one.name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": {"bins": 20, "scale": 1.5}}, "parameter bins (10 → 20)"),
        ({"parameters": {"bins": 10}}, "parameter scale is gone"),
        ({"host": {"kernel": "6.8"}}, "host kernel (6 → 6.8)"),
        ({"host": {"cpu": "two"}}, "host processor (one → two)"),
        ({"host": {"memory_bytes": (1 << 33) + 5}}, None),
        ({"record": {"reprun_version": "1"}}, "program reprun (0 → 1)"),
        ({"record": {"deviations": ("rebuilt",)}}, "deviation rebuilt is new"),
        ({"datasets": {"small": {}}}, "data data/a.csv is gone"),
    ],
)
def test_every_factor_is_named(nights: Nights, changes: Any, said: str | None) -> None:
    nights.add(0)
    nights.add(1, MOVED, bad=["m4l"], **changes)
    told = sentence(nights)
    assert told is not None
    if said is None:
        assert "flaky" in told
    else:
        assert told.endswith(f"and that one: {said}")


def test_where_the_content_is_the_same_only_the_reference_can_be_the_cause(nights: Nights) -> None:
    nights.add(0)
    # The same objects, no longer right: somebody blessed others.
    nights.add(1, GOOD, bad=["m4l"], host={"kernel": "6.8"})
    told = sentence(nights)
    assert told == (
        "red since 2026-03-02; nothing that is recorded differs from the last good run of "
        "2026-03-01"
    )


def test_flaky_is_told_from_drifted(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, MOVED, bad=["m4l"])
    assert sentence(nights) == (
        "red since 2026-03-02; flaky: made from the same as the last good run of 2026-03-01, and "
        "1 object came out otherwise (m4l)"
    )
    with looked_into(nights.path) as database:
        assert database is not None
        found = series.flaky(database, read(nights)[0])
        assert found is not None
        assert found.objects == ("m4l",)
        assert found.sentence.startswith("flaky: the runs ")


def test_drift_and_a_result_that_was_taken_over_are_not_flaky(nights: Nights) -> None:
    first = nights.add(0)
    nights.again(1, first)
    nights.add(2, MOVED, bad=["m4l"], images={"columnar": NEW})
    # An object that a rule leaves out by now has no other content.
    nights.add(3, {"pt": GOOD["pt"]})
    with looked_into(nights.path) as database:
        assert database is not None
        assert series.flaky(database, read(nights)[0]) is None


def test_a_cell_that_failed_before_a_step(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, state="failed", sentence="demo differs from its lock")
    assert sentence(nights) == (
        "red since 2026-03-02; that run ended before a step ran, and left no record; the last good "
        "run was that of 2026-03-01"
    )


def test_a_run_that_was_refused_does_not_hide_what_changed(nights: Nights) -> None:
    nights.add(0, images={"columnar": OLD})
    nights.add(1, state="failed", sentence="demo differs from its lock")
    nights.add(2, MOVED, bad=["m4l"], images={"columnar": NEW})
    assert sentence(nights) == (
        "red since 2026-03-02; between the last good run and the first after it with a record: "
        "image columnar (numpy 2.1.3 → 2.2.0)"
    )


def test_a_cell_that_was_never_good(nights: Nights) -> None:
    nights.add(0, MOVED, bad=["m4l"])
    nights.add(1, MOVED, bad=["m4l"])
    assert sentence(nights) == "red since 2026-03-01; its first run here"


def test_what_was_interrupted_says_nothing(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, state="interrupted", record={"status": "interrupted"})
    assert sentence(nights) is None
    found, _ = read(nights)
    assert [night.verdict for night in found] == ["reproduced", None]


def test_each_object_has_its_first_bad_run(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, MOVED, bad=["m4l"])
    nights.add(2, MOVED, bad=["m4l", "pt"])
    nights.add(3, MOVED, bad=["m4l"])
    nights.add(4, MOVED, bad=["m4l", "pt"])
    with looked_into(nights.path) as database:
        assert database is not None
        since = series.red_objects(database, read(nights)[0])
    assert {name: night.day for name, night in since.items()} == {
        "m4l": "2026-03-02",
        "pt": "2026-03-05",
    }


# -- steps in time and memory --------------------------------------------------------------------


def noisy(*values: tuple[float, int], noise: float = 0.03, seed: int = 1) -> list[float]:
    source = random.Random(seed)
    return [v * (1 + source.uniform(-noise, noise)) for v, n in values for _ in range(n)]


@pytest.mark.parametrize("seed", range(10))
def test_a_step_is_found_where_it_is(seed: int) -> None:
    found = last_jump(noisy((2, 12), (3, 8), seed=seed))
    assert found is not None
    assert found.index == 12
    assert found.ratio == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_step(seed: int) -> None:
    assert last_jump(noisy((2, 30), noise=0.2, seed=seed)) is None


def test_one_slow_night_is_no_step() -> None:
    assert last_jump(noisy((2, 12), (9, 1), (2, 12))) is None
    assert last_jump(noisy((2, 12), (9, 2))) is None


def test_few_nights_tell_nothing() -> None:
    assert last_jump([1.0] * 3 + [5.0] * 3) is None
    assert last_jump([1.0] * 4 + [5.0] * (FEWEST - 4)) is not None
    assert last_jump([]) is None


def test_equal_and_zero_values() -> None:
    assert last_jump([0.0] * 30) is None
    assert last_jump([2.0] * 30) is None
    assert [level.value for level in levels([2.0] * 10 + [4.0] * 10 + [1.0] * 10)] == [2, 4, 1]
    found = last_jump([0.0] * 10 + [4.0] * 10)
    assert found is not None
    assert found.index == 10


def test_a_small_step_is_not_told() -> None:
    assert last_jump([2.0] * 15 + [2.1] * 15) is None


def test_a_slower_step_of_the_workflow(nights: Nights) -> None:
    for day in range(12):
        entry = nights.add(day, seconds=2.0 + 0.01 * (day % 3) + (2.0 if day > 6 else 0.0))
        if day % 4 == 0:  # what was taken over is no measurement
            nights.again(day, entry)
    with looked_into(nights.path) as database:
        assert database is not None
        (jump,) = summary.jumps(database, read(nights)[0])
    assert jump.sentence == "step make takes 4.01 s since 2026-03-08, 2.01 s before (× 2.00)"  # noqa: RUF001


# -- kept and pruned -----------------------------------------------------------------------------


def test_a_prune_keeps_what_tells_since_when(nights: Nights) -> None:
    for day in range(40):
        red = day >= 10
        nights.add(day, MOVED if red else GOOD, bad=["m4l"] if red else [])
    before = sentence(nights)
    with opened(nights.path) as database:
        told = prune(database, Rule(nights=5), dry_run=True)
        assert len(read(nights)[0]) == 40
        gone = prune(database, Rule(nights=5), dry_run=False)
        assert len(told) == len(gone) == 32
        left = read(nights)[0]
        assert [f"{night.at:%d}" for night in left[:3]] == ["01", "10", "11"]
        assert len(left) == 8
        assert sentence(nights) == before
        for table, expected in (("records", 8), ("reports", 8), ("object_sets", 2)):
            (number,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert number == expected
        assert prune(database, Rule(nights=5), dry_run=False) == []


def test_a_prune_keeps_the_first_bad_run_of_each_object(nights: Nights) -> None:
    for day in range(30):
        bad = ["m4l"] * (day > 5) + ["pt"] * (day > 15)
        nights.add(day, MOVED if bad else GOOD, bad=bad)
    with opened(nights.path) as database:
        prune(database, Rule(nights=2), dry_run=False)
        since = series.red_objects(database, read(nights)[0])
    assert {n: night.at.day for n, night in since.items()} == {"m4l": 7, "pt": 17}


@pytest.mark.parametrize("seed", range(30))
def test_no_rule_drops_a_last_good_or_a_first_bad_run(nights: Nights, seed: int) -> None:
    source = random.Random(seed)
    for day in range(25):
        what = source.choice(["good", "good", "bad", "not run", "failed"])
        if what in ("not run", "failed"):
            nights.add(day, state=what)
        else:
            nights.add(day, bad=["m4l"] if what == "bad" else [])
    found, _ = read(nights)
    rule = Rule(nights=source.choice([None, 1, 4]), after=FIRST + dt.timedelta(days=24))
    gone = {night.id for night in prunable(found, rule)}
    for end in range(1, len(found) + 1):
        streak = series.red(found[:end])
        if streak is not None and streak.last_good is not None:
            assert streak.first.id not in gone
            assert streak.last_good.id not in gone


# -- another machine's ---------------------------------------------------------------------------


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a foreign file in this process; tests/integration/test_history.py has the sandbox."""
    monkeypatch.setattr(importing_module, "_run", lambda _, control: foreign.main(control))


def everything(nights: Nights) -> set[tuple[object, ...]]:
    """Return all that a history says, but for the numbers of its rows."""
    with looked_into(nights.path) as database:
        assert database is not None
        return {
            (
                *(cell.name, night.identity, night.verdict, night.factors_digest),
                *(night.objects_digest, tuple(rows.factors(database, night.record))),
                tuple(rows.objects(database, night.report)),
            )
            for cell in rows.cells(database)
            for night in rows.nights(database, cell)
        }


@pytest.mark.usefixtures("read_here")
def test_a_foreign_history_is_taken_over_once(nights: Nights, tmp_path: Path) -> None:
    other = Nights(tmp_path / "other", packages=PACKAGES)
    for each in (nights, other):
        first = each.add(0, images={"columnar": OLD})
    other.again(1, first)
    other.add(2, MOVED, bad=["m4l"], images={"columnar": NEW})
    other.add(3, state="failed", sentence="x\x1b[2J")
    with_infinity = other.entry(4, MOVED, bad=["m4l"])
    assert with_infinity.judged is not None
    first_object, *rest = with_infinity.judged.objects
    infinite = first_object.model_copy(update={"largest_deviation": math.inf})
    judged = with_infinity.judged.model_copy(update={"objects": (infinite, *rest)})
    other.write(with_infinity.model_copy(update={"judged": judged}))
    store = Store(tmp_path / "store")
    done = import_history(other.path, nights.path, store)
    assert (done.new, done.known) == (4, 1)
    assert everything(nights) == everything(other)
    assert sentence(nights) == sentence(other)
    assert "numpy 2.1.3 → 2.2.0" in str(sentence(nights))
    assert [night.origin for night in read(nights)[0]] == ["", *["history.sqlite"] * 4]
    done = import_history(other.path, nights.path, store)
    assert (done.new, done.known) == (0, 5)
    done = import_history(nights.path, other.path, store)
    assert (done.new, done.known) == (0, 5)


@pytest.mark.usefixtures("read_here")
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE runs SET image = 'other'", "changed by hand"),
        ("UPDATE runs SET at = 'yesterday'", "not right"),
        ("UPDATE factors SET kind = 'moon'", "not right"),
        ("UPDATE reports SET digest = 'x'", "not right|changed by hand"),
        ("UPDATE records SET digest = 'sha256:' || hex(randomblob(32))", "changed|not right"),
        ("UPDATE steps SET seconds = 9e999", "not right"),
        ("UPDATE objects SET name = hex(zeroblob(5000))", "not right"),
        ("UPDATE objects SET passes = x'00'", "CHECK|not right"),
        ("CREATE TRIGGER t AFTER DELETE ON runs BEGIN SELECT 1; END", "has a trigger"),
        ("DROP TABLE texts", "table texts"),
    ],
)
def test_a_hostile_history_is_refused(
    nights: Nights, tmp_path: Path, statement: str, said: str
) -> None:
    other = Nights(tmp_path / "other")
    other.add(0)
    with closing(sqlite3.connect(other.path)) as hostile:
        hostile.execute("PRAGMA ignore_check_constraints = ON")
        hostile.execute(statement)
        hostile.commit()
    nights.add(5)
    with pytest.raises(IntegrityError, match=said):
        import_history(other.path, nights.path, Store(tmp_path / "store"))
    assert len(read(nights)[0]) == 1


@pytest.mark.usefixtures("read_here")
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_history_is_refused_or_says_what_it_said(
    nights: Nights, tmp_path: Path, seed: int
) -> None:
    other = Nights(tmp_path / "other", packages=PACKAGES)
    other.add(0, images={"columnar": OLD})
    other.add(1, MOVED, bad=["m4l"], images={"columnar": NEW})
    right = everything(other)
    source = random.Random(seed)
    data = bytearray(other.path.read_bytes())
    for _ in range(source.choice([1, 3, 30])):
        data[source.randrange(len(data))] = source.randrange(256)
    other.path.write_bytes(data)
    nights.add(7)
    kept = everything(nights)
    try:
        import_history(other.path, nights.path, Store(tmp_path / "store"))
    except ReprunError:
        pass
    else:
        verdicts = {(row[1], row[2]) for row in everything(nights) - kept}
        assert verdicts <= {(row[1], row[2]) for row in right}
    assert kept <= everything(nights)


def test_an_import_of_what_is_no_history(nights: Nights, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(SpecificationError, match="there is no history"):
        import_history(tmp_path / "none", nights.path, store)
    nights.add(0)
    with pytest.raises(SpecificationError, match="of these results itself"):
        import_history(nights.path, nights.path, store)


def test_the_statements_are_all_of_one_kind() -> None:
    assert all(each.startswith("CREATE ") for each in statements())


def test_an_identity_is_of_all_that_a_run_says(nights: Nights) -> None:
    run = nights.entry(0).run
    same = Run.model_validate_json(run.model_dump_json())
    assert same.identity == run.identity
    local = run.at.astimezone(dt.timezone(dt.timedelta(hours=2)))
    assert run.model_copy(update={"at": local}).identity == run.identity
    for name in Run.model_fields:
        value: object = {"at": FIRST, "state": "failed", "ran": False}.get(name, "x")
        if getattr(run, name) != value:
            assert run.model_copy(update={name: value}).identity != run.identity, name


def test_entries_survive_their_way_through_a_sandbox(nights: Nights) -> None:
    entry = nights.entry(0, texts=(CODE, b"\xff\x00"))
    assert Entry.model_validate_json(entry.model_dump_json()) == entry


def test_a_text_that_is_not_what_its_digest_says_is_not_kept(nights: Nights) -> None:
    entry = nights.entry(0)
    nights.write(entry.model_copy(update={"texts": {digest_of("x"): b"y"}}))
    with looked_into(nights.path) as database:
        assert isinstance(database, Database)
        assert rows.text(database, digest_of("x")) is None

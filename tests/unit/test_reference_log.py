"""The log of a reference: every blessing a line, and each line that does not fit is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reprun.bounded import limits
from reprun.cli.main import program
from reprun.digests import canonical_json, digest_of_mapping, sha256_bytes, sha256_file
from reprun.errors import IntegrityError, NothingToCompareError, SpecificationError
from reprun.histograms import Objects, Table
from reprun.progress import Silent
from reprun.runs.blessed import BLESSED, Compared, read_blessing
from reprun.runs.reference import bless, write_objects
from reprun.runs.reference_check import check_references
from reprun.runs.reference_log import LOG, errors_of, read_log
from reprun.store.store import Store
from tests.projects import mark_project
from tests.unit import builders
from tests.unit.builders import ANALYSIS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An analysis whose reference was blessed three times."""
    home = tmp_path / "project" / "examples" / "demo"
    home.mkdir(parents=True)
    (home / "analysis.yaml").write_text(ANALYSIS)
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "store"))
    for number in (1, 2, 3):
        blessed(home, number)
    return home


def blessed(home: Path, number: int, **fields: Any) -> list[str]:
    table = Table("yields", ("2011",), ("data",), np.array([[float(number)]]), "year")
    about: dict[str, Any] = {
        "reason": f"reason {number}",
        "author": "A. Nobody",
        "compared": Compared(report=builders.digest("9"), sentence="not reproduced: 1 of 1"),
        "run": builders.digest("8"),
    }
    write = partial(write_objects, Objects({"yields": table}))
    return bless(home / "reference", write, builders.record(), **about | fields)


def check(home: Path) -> str:
    """Return what `reprun reference verify` says."""
    found = check_references(home, "demo", Store(home.parents[2] / "store"), Silent())
    return "; ".join(one.sentence for one in found)


def lines_of(home: Path) -> list[str]:
    return (home / "reference" / LOG).read_text().splitlines(keepends=True)


def write(home: Path, lines: Sequence[str]) -> None:
    (home / "reference" / LOG).write_text("".join(lines))


def resealed(line: str, **changes: Any) -> str:
    """Return a line with other content and the digest that belongs to it."""
    content = {**json.loads(line), **changes}
    del content["digest"]
    whole = {**content, "digest": sha256_bytes(canonical_json(content))}
    return canonical_json(whole).decode() + "\n"


def test_each_blessing_is_a_line(home: Path) -> None:
    log = read_log(home / "reference")
    assert log is not None
    assert [(line, one.number, one.reason) for line, one in log.entries.items()] == [
        *((1, 1, "reason 1"), (2, 2, "reason 2"), (3, 3, "reason 3"))
    ]
    assert log.entries[2].previous == (log.entries[1].digest,)
    last = log.entries[3]
    assert last.reference == digest_of_mapping(
        {"yields.csv": sha256_file(home / "reference" / "yields.csv")}
    )
    assert last.blessing == sha256_file(home / "reference" / BLESSED)
    assert last.run == builders.digest("8")
    assert last.compared is not None
    assert last.compared.sentence == "not reproduced: 1 of 1"
    assert check(home) == "reference: 3 lines of the log and 1 file are as they were written"


def test_lines_are_only_added(home: Path) -> None:
    before = lines_of(home)
    blessed(home, 4)
    assert lines_of(home)[:3] == before


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "changed": (
        lambda lines: [lines[0], lines[1].replace("reason 2", "reason x"), lines[2]],
        "line 2: it was changed after it was written",
    ),
    "the first changed": (
        lambda lines: [lines[0].replace("Nobody", "Body"), *lines[1:]],
        "line 1: it was changed after it was written",
    ),
    "the last changed": (
        lambda lines: [*lines[:2], lines[2].replace("reason 3", "reason x")],
        "line 3: it was changed after it was written",
    ),
    "changed with its digest": (
        lambda lines: [lines[0], resealed(lines[1], reason="x"), lines[2]],
        "line 3: it does not follow line 2, which has the number before",
    ),
    "written in another way": (
        lambda lines: [lines[0], json.dumps(json.loads(lines[1])) + "\n", lines[2]],
        "line 2: it is not written as reprun writes an entry",
    ),
    "removed": (
        lambda lines: [lines[0], lines[2]],
        "line 2: it follows a line that is not here: number 2 was removed",
    ),
    "the first removed": (
        lambda lines: lines[1:],
        "line 1: it follows a line that is not here: number 1 was removed",
    ),
    "the last removed": (
        lambda lines: lines[:2],
        "blessed.json has number 3 in the log, which ends with number 2: what follows was removed",
    ),
    "all removed": (lambda _: [], "line 1: the file is empty: every line of it was removed"),
    "reordered": (
        lambda lines: [lines[0], lines[2], lines[1]],
        "line 2: it follows line 3, which is below it: the lines were reordered",
    ),
    "repeated": (lambda lines: [*lines, lines[1]], "line 4: it repeats line 2"),
    "added at the end": (
        lambda lines: [
            *lines,
            resealed(lines[2], number=4, previous=[json.loads(lines[2])["digest"]]),
        ],
        "line 4 does not say what blessed.json says: it was added or replaced",
    ),
    "added in between": (
        lambda lines: [lines[0], resealed(lines[1], reason="x"), *lines[1:]],
        "lines 2 and 4 are each the last of a branch",
    ),
    "added at the beginning": (
        lambda lines: [resealed(lines[0], reason="x"), *lines],
        "line 2: it follows none, and is not the first: it was added, or line 1 was",
    ),
    "of another number": (
        lambda lines: [*lines[:2], resealed(lines[2], number=5)],
        "line 3: it has number 5, where 3 is due",
    ),
    "no entry": (lambda lines: [*lines, "{}\n"], "line 4: it is not an entry: "),
    "no JSON": (lambda lines: [*lines, "\x1b[31mred\n"], "line 4: it is not an entry: not valid"),
    "a number of many digits": (
        lambda lines: [*lines, '{"number": ' + "9" * 5000 + "}\n"],
        "line 4: it is not an entry: a number has more than 4,300 digits",
    ),
    "nested": (lambda lines: [*lines, "[" * 5000 + "\n"], "line 4: it is not an entry: it is nest"),
    "a merge that Git left": (
        lambda lines: ["<<<<<<< HEAD\n", *lines, "=======\n", ">>>>>>> other\n"],
        "line 1: Git could not merge the file here",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_line_that_does_not_fit_is_named(home: Path, name: str) -> None:
    change, said = CHANGES[name]
    write(home, change(lines_of(home)))
    with pytest.raises(IntegrityError) as error:
        check(home)
    assert said in error.value.message
    assert error.value.hint


def test_what_is_wrong_is_said_once(home: Path) -> None:
    """A line that was changed is the error, not the one after it, which says what it followed."""
    lines = lines_of(home)
    write(home, [lines[0], lines[1].replace("reason 2", "reason x"), lines[2]])
    log = read_log(home / "reference")
    assert log is not None
    assert [fault.line for fault in errors_of(log)] == [2]


def test_a_reference_that_is_not_its_last_line_is_named(home: Path) -> None:
    reference = home / "reference"
    (reference / "yields.csv").write_text("year,data\n2011,7\n")
    with pytest.raises(IntegrityError, match=r"yields\.csv was changed after line 3 was written"):
        check(home)
    (reference / "yields.csv").rename(reference / "more.csv")
    with pytest.raises(IntegrityError) as error:
        check(home)
    assert "more.csv was added after line 3 was written" in error.value.message
    assert "yields.csv was removed after line 3 was written" in error.value.message
    text = (reference / BLESSED).read_text()
    (reference / BLESSED).write_text(text.replace("reason 3", "reason x"))
    with pytest.raises(IntegrityError, match=r"blessed\.json was changed after line 3 was"):
        check(home)
    (reference / BLESSED).unlink()
    with pytest.raises(IntegrityError, match=r"blessed\.json was removed after line 3 was"):
        check(home)


def test_an_older_reference_that_was_put_back_is_named(home: Path) -> None:
    old = {path.name: path.read_bytes() for path in (home / "reference").iterdir()}
    del old[LOG]
    blessed(home, 4)
    for name, data in old.items():
        (home / "reference" / name).write_bytes(data)
    with pytest.raises(IntegrityError, match="that of line 3, and the log goes on to line 4"):
        check(home)


def test_a_log_that_does_not_hold_takes_no_line(home: Path) -> None:
    lines = lines_of(home)
    write(home, [lines[0], lines[2]])
    with pytest.raises(IntegrityError, match="line 2: it follows a line that is not here"):
        blessed(home, 4)
    (home / "reference" / LOG).unlink()
    for act in (partial(blessed, home, 4), partial(check, home)):
        with pytest.raises(IntegrityError, match=r"removed: blessed\.json has number 3 in it"):
            act()


def test_a_reference_of_before_begins_a_log_with_what_was_there(home: Path) -> None:
    reference = home / "reference"
    (reference / LOG).unlink()
    said = json.loads((reference / BLESSED).read_text())
    for name in ("number", "run"):
        del said[name]
    (reference / BLESSED).write_text(json.dumps(said))
    files = {"yields.csv": sha256_file(reference / "yields.csv")}
    with pytest.raises(NothingToCompareError, match=r"on 2026-03-01 by A\. Nobody, before"):
        check(home)
    blessing = sha256_file(reference / BLESSED)
    blessed(home, 4)
    log = read_log(reference)
    assert log is not None
    first, second = log.entries.values()
    assert (first.found, first.number, first.reason, first.blessing) == (
        *(True, 1, "reason 3", blessing),
    )
    assert first.reference == digest_of_mapping(files)
    assert (second.found, second.number) == (False, 2)
    assert check(home).startswith("reference: 2 lines")


def test_what_nobody_had_blessed_begins_a_log_too(home: Path) -> None:
    for name in (LOG, BLESSED):
        (home / "reference" / name).unlink()
    with pytest.raises(NothingToCompareError, match="has no log: nobody has blessed it"):
        check(home)
    blessed(home, 4)
    log = read_log(home / "reference")
    assert log is not None
    assert (log.entries[1].author, log.entries[1].blessing) == (None, None)
    assert check(home).startswith("reference: 2 lines")


def test_branches_that_both_blessed_are_joined_by_the_next(home: Path) -> None:
    common = {path.name: path.read_bytes() for path in (home / "reference").iterdir()}
    blessed(home, 4)
    ours = lines_of(home)
    for name, data in common.items():
        (home / "reference" / name).write_bytes(data)
    blessed(home, 5)
    write(home, [*ours, lines_of(home)[3]])
    with pytest.raises(IntegrityError) as error:
        check(home)
    assert error.value.message == (
        "reference: lines 4 and 5 both follow line 3: branches that each blessed the reference "
        "were merged"
    )
    assert error.value.hint == ('reprun run demo && reprun bless demo --reason "…"   # joins them')
    blessed(home, 6)
    log = read_log(home / "reference")
    assert log is not None
    assert log.entries[6].previous == (log.entries[4].digest, log.entries[5].digest)
    assert log.entries[6].number == 5
    assert check(home).startswith("reference: 6 lines")


def test_every_reference_of_an_analysis_is_checked(home: Path) -> None:
    tier = home / "reference" / "max-events-100"
    blessed(home, 1)
    bless(
        tier,
        partial(write_objects, Objects({}, {})),
        builders.record(),
        reason="r",
        author="A",
    )
    with pytest.raises(NothingToCompareError):  # a reference without any file
        check(home)
    (tier / "t.csv").write_text("a,b\nc,1\n")
    with pytest.raises(IntegrityError, match=r"t\.csv was added after line 1"):
        check(home)


def test_an_error_of_one_reference_hides_no_other(home: Path) -> None:
    for name in ("max-events-100", "max-events-200"):
        (home / "reference" / name).mkdir()
        for path in (home / "reference").glob("*.*"):
            (home / "reference" / name / path.name).write_bytes(path.read_bytes())
    log = home / "reference" / "max-events-200" / LOG
    log.write_text(log.read_text().replace("reason 2", "reason x"))
    said = json.loads((home / "reference" / BLESSED).read_text())
    (home / "reference" / BLESSED).write_text(json.dumps({**said, "number": None}))
    (home / "reference" / LOG).unlink()
    with pytest.raises(IntegrityError) as error:
        check(home)
    assert error.value.message.startswith("reference/max-events-200 is not what its log says")
    assert error.value.message.endswith("before reprun kept logs")


def test_a_log_too_large_or_of_a_newer_reprun_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "reference" / LOG
    newer = path.read_text().splitlines()[2].replace('"schema_version":1', '"schema_version":2')
    with path.open("a") as stream:
        stream.write(newer + "\n")
    with pytest.raises(SpecificationError, match="line 4: it was written by a newer reprun") as odd:
        check(home)
    assert odd.value.hint == "pip install --upgrade reprun"
    monkeypatch.setattr(
        limits, "REFERENCE_LOG_BYTES", limits.Limit(10, "bytes", "the log", "documents")
    )
    with pytest.raises(SpecificationError, match="at most 10 bytes are read"):
        check(home)


def test_a_reason_is_one_line_of_the_log_whatever_is_in_it(home: Path) -> None:
    blessed(home, 4, reason="a\nb\u2028c\x85d\x1b[31m")
    log = read_log(home / "reference")
    assert log is not None
    assert log.entries[4].reason == "a\nb\u2028c\x85d\x1b[31m"
    assert check(home).startswith("reference: 4 lines")


def test_a_hostile_log_takes_no_longer_than_it_has_lines(home: Path) -> None:
    """Thousands of lines that all follow one that is not there: each is looked up once."""
    line = lines_of(home)[1]
    write(
        home,
        [resealed(line, reason=str(n), previous=[builders.digest("7")]) for n in range(5000)],
    )
    log = read_log(home / "reference")
    assert log is not None
    assert len(errors_of(log)) == 5000
    with pytest.raises(IntegrityError) as error:
        check(home)
    assert error.value.message.endswith("and 4,989 more")


# -- the command line -----------------------------------------------------------------------------


def call(*words: str, columns: int = 100) -> Result:
    return CliRunner().invoke(program(), words, env={"COLUMNS": str(columns)})


def test_the_log_is_a_table_that_fits(home: Path) -> None:
    blessed(home, 4, reason="numpy 2.4 sums in another order, checked by hand \x1b[31m" * 2)
    for columns in (60, 80, 200):
        done = call("reference", "log", "demo", columns=columns)
        assert done.exit_code == 0
        assert "\x1b" not in done.stdout
        assert "reason 2" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= columns


def test_the_log_in_json(home: Path) -> None:
    said = json.loads(call("reference", "log", "demo", "--format", "json").stdout)
    assert [one["line"] for one in said["entries"]] == [1, 2, 3]
    assert said["entries"][1]["previous"] == [said["entries"][0]["digest"]]
    assert said["notes"] == []
    lines = lines_of(home)
    write(home, [lines[0], lines[2]])
    said = json.loads(call("reference", "log", "demo", "--format", "json").stdout)
    assert said["notes"][0].startswith("line 2: it follows a line that is not here")


def test_no_log_is_said(home: Path) -> None:
    for path in (home / "reference").iterdir():
        path.unlink()
    done = call("reference", "log", "demo")
    assert done.stdout == "no log yet: nobody has blessed it; the next bless begins one\n"
    (home / "reference").rmdir()
    assert call("reference", "log", "demo").stdout == "no log yet: there is no reference\n"


def test_verify_ends_with_the_documented_code(home: Path) -> None:
    done = call("reference", "verify", "demo")
    assert (done.exit_code, done.stdout) == (
        *(0, "reference: 3 lines of the log and 1 file are as they were written\n"),
    )
    assert call("reference", "verify", "*").stdout.startswith("✓ demo  reference: 3 lines")
    lines = lines_of(home)
    write(home, [lines[0], lines[2]])
    done = call("reference", "verify", "*")
    assert done.exit_code == 6
    assert "number 2 was removed" in " ".join(done.stdout.split())
    blessing = read_blessing(home / "reference")
    assert blessing is not None
    assert blessing.number == 3

"""The history among processes: killed writers, several at once, a full disk, a foreign file."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from reprun.errors import IntegrityError
from reprun.history.importing import import_history
from reprun.store.store import Store
from tests.history_support import GOOD, Nights
from tests.integration.host import Host
from tests.integration.shell import ROOT

MOVED = {**GOOD, "m4l": "c" * 64}
WRITE = """\
import resource, signal, sys
from pathlib import Path
from reprun.errors import StorageError
from tests.history_support import Nights
name, results, begin, end, most = sys.argv[1:]
if int(most):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
nights = Nights(Path(results), analysis=name)
for day in range(int(begin), int(end)):
    try:
        nights.add(day, bad=["m4l"] * (day % 2))
    except StorageError as error:
        print("refused:", error.message, flush=True)
        break
    print(day, flush=True)
"""


@contextmanager
def writer(
    nights: Nights, name: str, begin: int, end: int, most: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that adds nights to a history; each is printed once it is written."""
    given = map(str, (name, nights.results, begin, end, most))
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, *given], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def verdicts(nights: Nights) -> Mapping[str, Mapping[str, str]]:
    """Return the verdict of each night by analysis, once the file has proved to be whole."""
    found: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(nights.path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        for analysis, at, verdict in database.execute("SELECT analysis, at, verdict FROM nights"):
            assert at not in found.setdefault(analysis, {})
            found[analysis][at] = verdict
    return found


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_and_invents_nothing(tmp_path: Path) -> None:
    nights, source, day = Nights(tmp_path / "results"), random.Random(3), 0
    for _ in range(12):
        with writer(nights, "demo", day, day + 500) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(source.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            day = 1 + max([day, *map(int, process.stdout.read().split())])
        found = list(dict(sorted(verdicts(nights)["demo"].items())).values())
        # What was said to be written is there; of the one night under way, all or nothing.
        assert len(found) in (day, day + 1)
        expected = ["not reproduced" if n % 2 else "reproduced" for n in range(len(found))]
        assert found == expected
        day = len(found)


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "results")
    with writer(nights, "one", 0, 60) as one, writer(nights, "two", 0, 60) as two:
        for process in (one, two):
            output, _ = process.communicate(timeout=120)
            assert output.split() == [str(day) for day in range(60)]
    assert {name: len(found) for name, found in verdicts(nights).items()} == {"one": 60, "two": 60}


def test_a_full_disk_is_said_and_damages_nothing(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "results")
    nights.add(0)
    with writer(nights, "demo", 1, 2000, most=400_000) as process:
        output, _ = process.communicate(timeout=120)
    *written, refused = output.splitlines()
    assert refused.startswith("refused: cannot use the history: ")
    assert len(verdicts(nights)["demo"]) == 1 + len(written)
    nights.add(5000)
    assert len(verdicts(nights)["demo"]) == 2 + len(written)


def test_a_foreign_history_is_read_in_a_sandbox(tmp_path: Path, store: Store) -> None:
    nights, other = Nights(tmp_path / "results"), Nights(tmp_path / "other")
    other.add(0)
    other.add(1, MOVED, bad=["m4l"])
    done = import_history(other.path, nights.path, store)
    assert (done.new, done.known, done.note) == (2, 0, "")
    assert verdicts(nights) == verdicts(other)
    with closing(sqlite3.connect(other.path)) as hostile:
        hostile.execute("UPDATE runs SET sentence = 'x'")
        hostile.commit()
    with pytest.raises(IntegrityError, match="was changed by hand"):
        import_history(other.path, nights.path, store)
    other.path.write_bytes(b"SQLite format 3\0" + b"\xff" * 50_000)
    with pytest.raises(IntegrityError, match="is not taken over"):
        import_history(other.path, nights.path, store)
    assert len(verdicts(nights)["demo"]) == 2


@pytest.mark.slow
def test_a_changed_line_of_code_is_named(host: Host) -> None:
    shell = host.shell
    host.run(code=0)
    code = shell.directory / "project/examples/tiny/make.py"
    code.write_text(code.read_text() + "# one line more\n")
    shell.reprun("run", "tiny", "--update-lock")
    document = json.loads(shell.reprun("history", "tiny", "--format", "json").stdout)
    (cell,) = document["cells"]
    assert {run["verdict"] for run in cell["runs"]} <= {"reproduced", "no reference"}
    assert cell["runs"][-1]["moved"] == ["code make.py (1 line)"]
    one, other = (run["run"] for run in cell["runs"][-2:])
    found = json.loads(shell.reprun("diff", one, other, "--format", "json").stdout)
    (factor,) = [factor for factor in found["factors"] if not factor["same"]]
    assert [line.partition(": ")[2] for line in factor["details"]] == ["+ # one line more"]

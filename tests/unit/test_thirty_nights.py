"""Thirty nights of a matrix with changes that were planted: each night has the right sentence.

The clock is generated, and so are records and reports; what writes and reads them is the program.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reprun.cli import main as cli
from reprun.digests import sha256_bytes
from reprun.history import rows, series, summary
from reprun.history.database import looked_into, opened
from reprun.history.retention import Rule, prune
from reprun.images.packages import Packages
from tests.history_support import CODE, FIRST, GOOD, Nights, digest_of
from tests.projects import mark_project

NIGHTS = 30
OLD, NEW = digest_of("image of 2.1.3"), digest_of("image of 2.2.0")
PACKAGES = {
    OLD: Packages(wheels={"numpy": "2.1.3", "uproot": "5.6"}, debian={"libc6": "2.41"}),
    NEW: Packages(wheels={"numpy": "2.2.0", "uproot": "5.6"}, debian={"libc6": "2.41"}),
}
ROWS = b"dsid,kFactor\n410470,1.0\n410471,1.0\n"
CHANGED_ROWS = ROWS.replace(b"410471,1.0", b"410471,1.14")
CHANGED_CODE = CODE.replace(b"fill()", b"fill(cut=0.5)")
BETWEEN = "between the last good run and that one"


def content(name: str) -> dict[str, str]:
    """Return objects of which one differs from the reference."""
    return {**GOOD, "m4l": sha256_bytes(name.encode()).removeprefix("sha256:")}


@dataclass
class Night:
    """What is so on one night."""

    image: str = OLD
    rows: bytes = ROWS
    code: bytes = CODE
    drifts: str = ""
    """What it made is of this name; empty where it is right."""
    seconds: float = 2.0
    host: Mapping[str, Any] = field(default_factory=dict)
    state: Any = "compared"
    sentence: str = ""


def day(number: int) -> str:
    return f"{FIRST + dt.timedelta(days=number):%Y-%m-%d}"


def packaged(n: int) -> Night:
    """Numpy is raised in the night 7, and taken back in the night 12."""
    return Night(image=NEW, drifts="numpy") if 7 <= n < 12 else Night()


def calibrated(n: int) -> Night:
    """A row of the conditions changes in the night 10; some nights the data cannot be reached."""
    if n in (10, 13, 14):
        return Night(state="not run", sentence="no source has the data")
    return Night(rows=CHANGED_ROWS, drifts="rows") if n > 10 else Night()


def coded(n: int) -> Night:
    """One line of code is changed in the night 15, and another image comes later, while red."""
    if n >= 20:
        return Night(code=CHANGED_CODE, image=NEW, drifts="line")
    return Night(code=CHANGED_CODE, drifts="line") if n >= 15 else Night()


def unseeded(n: int) -> Night:
    """A generator without a seed: in some nights it comes out otherwise."""
    return Night(drifts=f"seed {n}") if n in (5, 18) else Night()


def slower(n: int) -> Night:
    """A step takes three times as long since the night 17; its result stays right."""
    return Night(seconds=(2.0 if n < 17 else 6.0) * (1 + 0.02 * (n * 7 % 5 - 2)))


def moved_house(n: int) -> Night:
    """The matrix runs on another machine since the night 21."""
    host = {"cpu": "another processor", "kernel": "6.12"}
    return Night(host=host, drifts="blas") if n >= 21 else Night()


def broken(n: int) -> Night:
    """It fails before a step, for three nights."""
    failed = Night(state="failed", sentence="it differs from its lock:\n  code: x")
    return failed if 25 <= n < 28 else Night()


PLANTED: Mapping[str, Callable[[int], Night]] = {
    each.__name__: each
    for each in (packaged, calibrated, coded, unseeded, slower, moved_house, broken)
}


def expected(name: str, n: int) -> str | None:
    """Return what has to be said of a cell on a night."""
    moved = {
        "packaged": (range(7, 12), "image columnar (numpy 2.1.3 → 2.2.0)"),
        "calibrated": (
            range(11, NIGHTS),
            "conditions sums/table.csv (row 410471: kFactor 1.0 → 1.14)",
        ),
        "coded": (range(15, NIGHTS), "code code/fill.py (2 lines)"),
        "moved_house": (
            range(21, NIGHTS),
            "host kernel (6 → 6.12); host processor (one → another processor)",
        ),
    }
    if name in moved:
        nights, changed = moved[name]
        return f"red since {day(nights[0])}; {BETWEEN}: {changed}" if n in nights else None
    if name == "unseeded" and n in (5, 18):
        return (
            f"red since {day(n)}; flaky: made from the same as the last good run of "
            f"{day(n - 1)}, and 1 object came out otherwise (m4l)"
        )
    if name == "broken" and 25 <= n < 28:
        return (
            f"red since {day(25)}; that run ended before a step ran, and left no record; the "
            f"last good run was that of {day(24)}"
        )
    return None


def play(results: Path, name: str, n: int) -> None:
    """Let a night leave its row."""
    tonight = PLANTED[name](n)
    nights = Nights(results, analysis=name, packages=PACKAGES, tables={"sums/table.csv": "dsid"})
    if tonight.state != "compared":
        nights.add(n, state=tonight.state, sentence=tonight.sentence)
        return
    nights.add(
        n,
        content(tonight.drifts) if tonight.drifts else GOOD,
        bad=["m4l"] if tonight.drifts else [],
        seconds=tonight.seconds,
        host=tonight.host,
        images={"columnar": tonight.image},
        conditions={"sums": {"table.csv": sha256_bytes(tonight.rows)}},
        code={"code/fill.py": sha256_bytes(tonight.code)},
        texts=(tonight.rows, tonight.code),
    )


def said(results: Path) -> dict[str, summary.CellHistory]:
    with looked_into(Nights(results).path) as database:
        assert database is not None
        return {each.cell.analysis: each for each in summary.histories(database)}


@pytest.mark.slow
def test_each_night_has_the_right_sentence(tmp_path: Path) -> None:
    for n in range(NIGHTS):
        for name in PLANTED:
            play(tmp_path, name, n)
        found = {name: each.sentence for name, each in said(tmp_path).items()}
        assert found == {name: expected(name, n) for name in PLANTED}, n


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results after all thirty nights."""
    results = tmp_path_factory.mktemp("thirty") / "results"
    for n in range(NIGHTS):
        for name in PLANTED:
            play(results, name, n)
    return results


def test_only_what_was_made_from_the_same_is_flaky(after: Path) -> None:
    flaky = {name: each.flaky for name, each in said(after).items() if each.flaky}
    assert list(flaky) == ["unseeded"]
    assert flaky["unseeded"] is not None
    assert flaky["unseeded"].objects == ("m4l",)
    assert flaky["unseeded"].other.day == day(18)


def test_only_the_slower_step_is_slower(after: Path) -> None:
    with looked_into(Nights(after).path) as database:
        assert database is not None
        jumps = {
            each.cell.analysis: [jump.sentence for jump in summary.jumps(database, each.nights)]
            for each in summary.histories(database)
        }
    found = {name: told for name, told in jumps.items() if told}
    assert found == {
        "slower": [f"step make takes 6 s since {day(17)}, 2 s before (× 3.00)"]  # noqa: RUF001
    }


def test_the_slower_step_is_known_after_three_nights(tmp_path: Path) -> None:
    known = []
    for n in range(22):
        play(tmp_path, "slower", n)
        with looked_into(Nights(tmp_path).path) as database:
            assert database is not None
            nights = rows.nights(database, rows.cells(database)[0])
            known.append(bool(summary.jumps(database, nights)))
    assert known.index(True) == 19
    assert all(known[19:])


def test_a_prune_changes_no_sentence(after: Path, tmp_path: Path) -> None:
    path = Nights(tmp_path / "pruned").path
    path.parent.mkdir()
    path.write_bytes(Nights(after).path.read_bytes())
    before = {name: each.sentence for name, each in said(after).items()}
    with opened(path) as database:
        gone = prune(database, Rule(nights=1), dry_run=False)
    assert len(gone) > 100
    assert {name: each.sentence for name, each in said(path.parent).items()} == before


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_morning_question_is_answered_on_the_terminal(
    after: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(after.parent)))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(after.parent)
    monkeypatch.setattr("sys.argv", ["reprun", "history"])
    with pytest.raises(SystemExit):
        cli.main()
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for name in PLANTED:
        told = expected(name, NIGHTS - 1)
        assert told is None or f"{name}/columnar {told}" in words


def test_two_runs_of_the_history_are_compared(
    after: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(after.parent)))
    found = series.red(said(after)["coded"].nights)
    assert found is not None
    assert found.last_good is not None
    monkeypatch.setattr("sys.argv", ["reprun", "diff", found.last_good.name, found.latest.name])
    with pytest.raises(SystemExit):
        cli.main()
    text = capsys.readouterr().out
    for line in (
        "numpy 2.1.3 → 2.2.0",
        "line 2: - fill()",
        "line 2: + fill(cut=0.5)",
        "1 object with other content, 1 with the same",
    ):
        assert line in text

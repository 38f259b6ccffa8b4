"""The pages of a matrix and of its cells say what the history says, and nothing of its own."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from pathlib import Path

import pytest

from reprun.errors import StorageError
from reprun.history.database import FILE
from reprun.report.against_nights import Point, drawing, scale
from reprun.report.nights import LONGEST_NAME, CellNights, file_name
from reprun.runs.site import write_site
from tests.history_support import FIRST, GOOD, Nights
from tests.site_support import DRIFTED, RED, site
from tests.unit import builders

ALL = ("bad", "good", "killed", "once")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a site of five cells, of which the history knows four."""
    return site(tmp_path_factory.mktemp("results")).parent


def page_of(home: Path, name: str) -> str:
    return (home / "cells" / f"{name}.columnar.html").read_text()


def document_of(home: Path, name: str) -> CellNights:
    text = (home / "cells" / f"{name}.columnar.json").read_text()
    return CellNights.model_validate_json(text)


def strip_of(page: str, name: str) -> list[tuple[str, str, str]]:
    """Return style, title and marks of each stretch of a strip."""
    (found,) = re.findall(rf'<a class="strip" href="cells/{name}\.columnar\.html">(.*?)</a>', page)
    return re.findall(r'<b class="([^"]+)" title="([^"]+)">([^<]+)</b>', found)


def test_every_cell_with_a_history_has_a_page_and_its_data(home: Path) -> None:
    found = {path.name for path in (home / "cells").iterdir()}
    assert found == {f"{name}.columnar.{ending}" for name in ALL for ending in ("html", "json")}


def test_a_strip_has_the_last_thirty_nights_with_marks_and_days(home: Path) -> None:
    page = (home / "index.html").read_text()
    assert strip_of(page, "good") == [
        ("s-reproduced", "2026-03-11 to 2026-04-09: 30 runs, reproduced", "✓" * 30)
    ]
    assert strip_of(page, "bad") == [
        ("s-reproduced", "2026-03-11 to 2026-03-30: 20 runs, reproduced", "✓" * 20),
        ("s-not-reproduced", "2026-03-31 to 2026-04-03: 4 runs, not reproduced", "✗" * 4),
        ("s-failed", "2026-04-04: failed", "!"),
        ("s-not-reproduced", "2026-04-05 to 2026-04-09: 5 runs, not reproduced", "✗" * 5),
    ]
    assert strip_of(page, "once") == [("s-reproduced", "2026-04-09: reproduced", "✓")]
    assert strip_of(page, "killed")[-1] == ("s-not-run", "2026-04-09: interrupted", "-")
    assert "cells/never" not in page


def test_the_first_screen_says_what_is_red_since_when_and_why(home: Path) -> None:
    page = (home / "index.html").read_text()
    told = page[: page.index('<table class="matrix">')]
    assert f"<b>{RED}</b>" in told
    assert told.index("bad/columnar</a>: not reproduced") < told.index("never/other: failed")
    assert told.index("never/other: failed") < told.index("killed/columnar</a>: not run")
    assert "&lt;no&gt; lock" in told
    assert "<no>" not in page


def test_the_page_of_a_cell_tells_each_run(home: Path) -> None:
    page, bad = page_of(home, "bad"), document_of(home, "bad")
    assert bad.red == RED
    assert f"<span>{RED}</span>" in page
    assert page.count("<tr><td>") == len(bad.nights) == 40
    assert [night.changed for night in bad.nights if night.changed] == [("host kernel (6 → 7)",)]
    assert "host kernel (6 → 7)</td>" in page
    assert [each.name for each in bad.red_objects] == ["m4l"]
    assert "m4l does not pass since 2026-03-31" in page
    assert "the step &lt;fill&gt; ended with 1" in page
    assert "<fill>" not in page
    assert page.count('href="../../bad/report.html"') == 2, "of the cell, and of its last run"
    assert [night.published for night in bad.nights].index(True) == 39
    assert bad.nights[33].largest_deviation == 0.25
    assert bad.nights[34].largest_deviation is bad.nights[34].wall_seconds is None
    assert page.count('class="cross"') == 2 * 9, "nine runs that differ, in two plots"
    assert ">largest relative deviation</text>" in page
    assert ">run time [s]</text>" in page
    assert page.count(">night (UTC)</text>") == 2


def test_a_step_in_run_time_is_told(home: Path) -> None:
    (step,) = document_of(home, "good").steps
    assert re.match(r"step \S+ takes 3.\S* s since 2026-03-21, 2.\S* s before", step)
    assert step in page_of(home, "good")


def test_a_run_that_was_killed_says_so_and_is_no_verdict(home: Path) -> None:
    page, killed = page_of(home, "killed"), document_of(home, "killed")
    assert page.count("<b>- interrupted</b>") == 2
    assert page.count("it did not finish: its process was killed") == 2
    assert [night.interrupted for night in killed.nights].count(True) == 2
    assert killed.nights[-1].state == "not run"
    assert killed.red is None


def test_one_night_is_enough(home: Path) -> None:
    page = page_of(home, "once")
    assert page.count("<tr><td>") == 1
    assert "nan" not in page.lower()
    assert page.count('class="runpt"') == 2


def test_without_a_history_there_is_the_matrix_alone(tmp_path: Path) -> None:
    page = tmp_path / "matrix" / "index.html"
    write_site(builders.matrix(builders.cell("reproduced")), page, {}, tmp_path)
    assert 'class="cell s-reproduced"' in page.read_text()
    assert 'class="strip"' not in page.read_text()
    assert list((page.parent / "cells").iterdir()) == []


def test_a_history_that_cannot_be_read_is_said_on_the_page(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * 9000)
    page = tmp_path / "matrix" / "index.html"
    write_site(builders.matrix(builders.cell("reproduced")), page, {}, tmp_path)
    assert "Nothing is shown of earlier nights: the history is damaged" in page.read_text()


def test_pages_of_cells_that_are_gone_go(tmp_path: Path) -> None:
    page = site(tmp_path)
    kept = page.parent / "cells" / "notes.txt"
    kept.write_text("mine")
    found = builders.matrix(builders.cell("reproduced", "good"))
    write_site(found, page, {"good/columnar": ("small", "")}, tmp_path)
    assert sorted(path.name for path in kept.parent.iterdir()) == [
        "good.columnar.html",
        "good.columnar.json",
        "notes.txt",
    ]


def test_a_link_in_the_place_of_the_pages_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "cells").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is a symbolic link"):
        write_site(builders.matrix(), tmp_path / "matrix" / "index.html", {}, tmp_path)


def test_text_of_strangers_is_no_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    nights = Nights(tmp_path)
    nights.add(0, {**GOOD, bad: "d" * 64})
    nights.add(1, {**DRIFTED, bad: "e" * 64}, bad=[bad], host={"kernel": bad})
    cell = builders.cell("not reproduced", "demo", sentence=bad, title=bad, image=bad)
    page = tmp_path / "matrix" / "index.html"
    write_site(builders.matrix(cell), page, {"demo/columnar": ("small", "")}, tmp_path)
    for text in (page.read_text(), page_of(page.parent, "demo")):
        assert "alert(1)&lt;/script&gt;" in text
        assert "<script>alert" not in text


def test_only_the_last_runs_are_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reprun.history.nights.MOST_RUNS", 3)
    nights = Nights(tmp_path)
    for n in range(5):
        nights.add(n)
    page = tmp_path / "matrix" / "index.html"
    cell = builders.cell("reproduced", "demo")
    write_site(builders.matrix(cell), page, {cell.name: ("small", "")}, tmp_path)
    found = document_of(page.parent, "demo")
    assert (len(found.nights), found.left_out) == (3, 2)
    assert "2 earlier runs: <code>reprun history demo" in page_of(page.parent, "demo")


def test_no_two_cells_have_the_same_file() -> None:
    pairs = [("a.b", "c"), ("a", "b.c"), ("a_2e_b", "c"), ("A", "c"), ("a", "c"), ("a/..", "?")]
    names = [file_name(*pair) for pair in pairs]
    assert len({name.lower() for name in names}) == len(pairs)
    assert all(re.fullmatch(r"[a-z0-9_.-]+", name) for name in names)
    assert file_name("cms-h4l", "columnar") == "cms-h4l.columnar"
    long = [file_name("." * 64, "x" * 63 + end) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) == LONGEST_NAME


def test_the_data_are_documents_of_json(home: Path) -> None:
    found = json.loads((home / "cells" / "bad.columnar.json").read_text())
    assert found["schema_version"] == 1
    assert found["nights"][39]["state"] == "not reproduced"


def test_a_plot_has_no_number_that_is_none() -> None:
    days = [FIRST + dt.timedelta(days=n) for n in range(3)]
    values = (0.0, math.inf, -1.0)
    points = [Point(day, value, "failed") for day, value in zip(days, values, strict=True)]
    found = str(drawing(points, "a <b>", "s"))
    assert ": infinite, failed" in found
    assert "a &lt;b&gt; [s]" in found
    assert not re.search(r'"[^"]*(nan|inf\b)[^"]*"', found)
    assert drawing([], "a", "s") == ""


@pytest.mark.parametrize(
    ("largest", "step", "top"),
    [(0.0, 0.5, 1.0), (2.0, 0.5, 2.0), (0.25, 0.05, 0.25), (9.7, 2.0, 10.0), (4.1, 1.0, 5.0)],
)
def test_axes_have_round_steps(largest: float, step: float, top: float) -> None:
    assert scale(largest) == pytest.approx((step, top))

"""The matrix as people and CI see it: nothing that did not run is green."""

from __future__ import annotations

import datetime as dt
from xml.etree import ElementTree as ET

import pytest

from reprun.report.grid import plain_text
from reprun.report.matrix import (
    CellReport,
    MatrixReport,
    matrix_html,
    matrix_json,
    matrix_junit,
    matrix_markdown,
    matrix_renderable,
)
from reprun.runs.matrix import exit_code
from tests.unit.builders import cell, matrix

OPTIONAL = "nobody has pinned it"
RED = "red since 2026-03-10; between the last good run and that one: image x (<b>numpy</b> 1 → 2)"


def test_exit_codes() -> None:
    good, bad = cell("reproduced"), cell("not reproduced")
    failed, absent = cell("failed"), cell("not run")
    allowed, fresh = cell("not run", allowed=OPTIONAL), cell("no reference")
    assert exit_code(matrix(good, allowed)) == 0
    assert exit_code(matrix(good, absent)) == 3
    assert exit_code(matrix(good, absent, cell("not run", exit_code=6))) == 6
    assert exit_code(matrix(good, fresh)) == 5
    assert exit_code(matrix(good, fresh, absent)) == 3
    assert exit_code(matrix(good, bad, absent, fresh)) == 1
    assert exit_code(matrix(good, bad, failed)) == 4
    assert exit_code(matrix(failed, cell("failed", exit_code=6))) == 6
    assert exit_code(matrix(absent)) == 3
    assert exit_code(matrix(allowed)) == 5
    assert exit_code(matrix()) == 5


def test_sentences() -> None:
    good, bad = cell("reproduced", "good"), cell("not reproduced", "bad")
    absent, fresh = cell("not run", "far"), cell("no reference", "new")
    allowed = cell("not run", "old", allowed=OPTIONAL)
    kept = cell("reproduced", "kept", ran=False)
    assert matrix(good).sentence == "reproduced: 1 cell"
    assert matrix(good, kept).sentence == ("reproduced: 2 cells (1 unchanged since earlier runs)")
    assert matrix(good, allowed).sentence == (
        "reproduced: 1 cell; 1 allowed not to run (old/columnar)"
    )
    assert matrix(good, absent).sentence == "not run: 1 of 2 cells (far/columnar); 1 reproduced"
    assert matrix(good, fresh).sentence == (
        "no reference: 1 of 2 cells (new/columnar); 1 reproduced"
    )
    assert matrix(good, bad).sentence == "not reproduced: 1 of 2 cells (bad/columnar)"
    assert matrix(bad, absent, fresh, allowed).sentence == (
        "not reproduced: 1 of 2 cells (bad/columnar); 1 not run (far/columnar); "
        "1 without reference (new/columnar); 1 allowed not to run (old/columnar)"
    )
    assert matrix(absent).sentence == "not run: 1 of 1 cell (far/columnar)"
    assert matrix(allowed).sentence == "no cell could run; 1 allowed not to run (old/columnar)"
    many = [cell("failed", f"bad{number}") for number in range(10)]
    assert matrix(*many).sentence == (
        "not reproduced: 10 of 10 cells (bad0/columnar, bad1/columnar, bad2/columnar and 7 more)"
    )


@pytest.mark.parametrize(
    ("cells", "banner", "mark"),
    [
        ([cell("reproduced")], "good", "✅"),
        ([cell("reproduced"), cell("not run", "b", allowed=OPTIONAL)], "good", "✅"),
        ([cell("reproduced"), cell("not run", "b")], "pending", "⏸"),
        ([cell("not run", allowed=OPTIONAL)], "pending", "⏸"),
        ([cell("reproduced"), cell("no reference", "b")], "pending", "❔"),
        ([cell("reproduced"), cell("failed", "b")], "bad", "💥"),
        ([cell("reproduced"), cell("not reproduced", "b")], "bad", "❌"),
    ],
)
def test_what_did_not_run_has_a_colour_of_its_own(
    cells: list[CellReport], banner: str, mark: str
) -> None:
    found = matrix(*cells)
    assert f'<header class="{banner}">' in matrix_html(found, {})
    assert matrix_markdown(found).startswith(f"## {mark} ")
    passes = exit_code(found) == 0
    assert passes == (banner == "good")
    suite = ET.fromstring(matrix_junit(found))
    # A CI that reads nothing but JUnit sees the same, but for a matrix of nothing that could run.
    assert (suite.attrib["failures"] == suite.attrib["errors"] == "0") == (
        passes or all(one.allowed for one in cells)
    )


def test_the_page_links_to_reports() -> None:
    cells = cell("reproduced", report="../a/report.html"), cell("not run", "b")
    page = matrix_html(matrix(*cells), {})
    assert page.count('class="cell s-reproduced"') == 1
    assert 'href="../a/report.html"' in page
    assert '<span class="cell s-not-run">' in page


def test_why_a_cell_was_allowed_not_to_run_is_said() -> None:
    found = matrix(cell("reproduced"), cell("not run", "b", allowed=OPTIONAL))
    for shown in (
        matrix_html(found, {}),
        matrix_markdown(found),
        matrix_junit(found),
        plain_text(matrix_renderable(found), 160),
    ):
        assert f"allowed: {OPTIONAL}" in shown
    assert ET.fromstring(matrix_junit(found)).attrib["skipped"] == "1"


def test_an_earlier_result_has_its_day_and_no_time() -> None:
    day = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    sentence = "reproduced on 2026-11-22, unchanged since: 2 of 2 objects"
    old = cell("reproduced", ran=False, finished=day, step_seconds=12.0, sentence=sentence)
    new = cell("reproduced", "b", finished=day, step_seconds=34.0)
    found = matrix(old, new)
    assert "unchanged since 2026-11-22" in matrix_html(found, {})
    times = [case.attrib["time"] for case in ET.fromstring(matrix_junit(found)).iter("testcase")]
    assert times == ["0.000", "34.000"]
    for shown in (matrix_html(found, {}), plain_text(matrix_renderable(found), 160)):
        assert "34.0" in shown
        assert "12.0" not in shown
    assert f"- a/columnar {sentence}" in matrix_markdown(found)


def test_text_of_others_is_no_markup() -> None:
    found = matrix(cell("failed", hint="do <this>", title="<b>", sentence="one\ntwo \x1b[1m"))
    page = matrix_html(found, {})
    assert "do &lt;this&gt;" in page
    assert "<b>" not in page
    assert "one …" in plain_text(matrix_renderable(found), 100)
    assert "\x1b" not in matrix_junit(found)
    assert MatrixReport.model_validate_json(matrix_json(found)) == found


def test_since_when_a_cell_is_red_stands_in_every_view() -> None:
    found = matrix(cell("reproduced", "good"), cell("not reproduced", "bad", red=RED))
    assert f"bad/columnar {RED}" in plain_text(matrix_renderable(found), 200)
    narrow = " ".join(plain_text(matrix_renderable(found), 60).split())
    assert f"bad/columnar {RED}" in narrow
    page = matrix_html(found, {})
    assert "<b>red since 2026-03-10" in page
    assert "<b>numpy</b>" not in page
    assert "red since 2026-03-10" in matrix_markdown(found)
    assert "<b>numpy" not in matrix_markdown(found)
    (failure,) = ET.fromstring(matrix_junit(found)).iter("failure")
    assert RED in str(failure.text)
    assert MatrixReport.model_validate_json(matrix_json(found)) == found

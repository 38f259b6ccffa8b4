"""The matrix as people and CI see it: nothing that did not run is green."""

from __future__ import annotations

from reprun.report.grid import plain_text
from reprun.report.matrix import (
    MatrixReport,
    matrix_html,
    matrix_json,
    matrix_junit,
    matrix_markdown,
    matrix_renderable,
)
from reprun.runs.matrix import exit_code
from tests.unit.builders import cell, matrix


def test_exit_codes() -> None:
    good, bad = cell("reproduced"), cell("not reproduced")
    failed, absent = cell("failed"), cell("not run")
    assert exit_code(matrix(good, absent)) == 0
    assert exit_code(matrix(good, bad, absent)) == 1
    assert exit_code(matrix(good, bad, failed)) == 4
    assert exit_code(matrix(failed, cell("failed", exit_code=6))) == 6
    assert exit_code(matrix(absent)) == 5
    assert exit_code(matrix()) == 5


def test_sentences() -> None:
    good, bad = cell("reproduced", "good"), cell("not reproduced", "bad")
    absent = cell("not run", "far")
    assert matrix(good).sentence == "reproduced: 1 cell"
    assert matrix(good, absent).sentence == "reproduced: 1 cell; 1 not run (far/columnar)"
    assert matrix(good, bad).sentence == "not reproduced: 1 of 2 cells (bad/columnar)"
    assert matrix(absent).sentence == "no cell could run; 1 not run (far/columnar)"
    many = [cell("failed", f"bad{number}") for number in range(10)]
    assert matrix(*many).sentence == (
        "not reproduced: 10 of 10 cells (bad0/columnar, bad1/columnar, bad2/columnar and 7 more)"
    )


def test_only_what_is_reproduced_is_green() -> None:
    absent = matrix(cell("not run", hint="do <this>"))
    assert '<header class="bad">' in matrix_html(absent)
    assert matrix_markdown(absent).startswith("## ❌")
    both = matrix(cell("reproduced", report="../a/report.html"), cell("not run", "b"))
    page = matrix_html(both)
    assert '<header class="good">' in page
    assert page.count("s-reproduced") == page.count(".s-reproduced") + 1
    assert 'href="../a/report.html"' in page
    assert '<span class="cell s-not-run">' in page
    for state in ("failed", "not reproduced"):
        spoiled = matrix(cell("reproduced"), cell(state, "b"))
        assert '<header class="bad">' in matrix_html(spoiled)
        assert matrix_markdown(spoiled).startswith("## ❌")


def test_text_of_others_is_no_markup() -> None:
    found = matrix(cell("failed", hint="do <this>", title="<b>", sentence="one\ntwo \x1b[1m"))
    page = matrix_html(found)
    assert "do &lt;this&gt;" in page
    assert "<b>" not in page
    assert "one …" in plain_text(matrix_renderable(found), 100)
    assert "\x1b" not in matrix_junit(found)
    assert MatrixReport.model_validate_json(matrix_json(found)) == found

"""A run without reference: everything it made is shown, and nothing of it is green."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from reprun.compare import Verdict, first_look
from reprun.documents.analysis import ComparisonRule
from reprun.errors import ExitCode, NothingToCompareError
from reprun.histograms import Axis, Histogram, Objects, Table, Unread
from reprun.report import build_report, render_html, render_junit, render_markdown
from reprun.report.grid import plain_text
from reprun.report.model import AnalysisInfo, ReferenceInfo
from reprun.report.text import renderable
from tests.compare_support import TODAY

AXIS = Axis.regular(3, 0.0, 3.0, title="m [GeV]")
HISTOGRAM = Histogram("m", (AXIS,), np.array([1.0, 10.0, 20.0, 30.0, 0.0]), entries=61.0)
EMPTY = Histogram("nothing", (AXIS,), np.zeros(5))
YIELDS = Table("yields", ("all", "cut"), ("events",), np.array([[5.0], [3.0]]))
MADE = Objects(
    {thing.name: thing for thing in (HISTOGRAM, EMPTY, YIELDS)}, {"odd": Unread("TList")}
)
HINT = 'reprun bless demo --reason "…"   # once you trust them'


def test_every_object_is_described() -> None:
    found = first_look(MADE, (), TODAY)
    assert {item.verdict for item in found.items} == {Verdict.NEW}
    assert {item.name: item.sentence for item in found.items} == {
        "m": "3 bins, integral 60, 1 in flow bins, 61 entries",
        "nothing": "empty: no reference can vouch for it",
        "odd": "known by its bytes (TList)",
        "yields": "2 rows of 1 column",
    }
    assert found.sentence == "no reference: 4 objects, nothing to compare yet"
    assert not found.reproduced


def test_what_a_rule_ignores_is_left_out() -> None:
    rule = ComparisonRule(match="odd", kind="ignore", reason="a list of names")
    found = first_look(MADE, (rule,), TODAY)
    assert [one.name for one in found.ignored] == ["odd"]
    assert "odd" not in {item.name for item in found.items}


@pytest.mark.parametrize("made", [Objects(), Objects({}, {"odd": Unread("TList")})])
def test_a_run_that_made_nothing_to_compare_says_so(made: Objects) -> None:
    rule = ComparisonRule(match="*", kind="ignore", reason="all of it")
    with pytest.raises(NothingToCompareError, match=r"holds no object|ignore all of 1 object"):
        first_look(made, (rule,), TODAY)


def test_no_form_of_the_report_is_green() -> None:
    about = AnalysisInfo(name="demo", title="A demonstration")
    report = build_report(first_look(MADE, (), TODAY), about).model_copy(update={"hint": HINT})
    assert (report.status, report.exit_code) == ("no reference", ExitCode.NOTHING_TO_COMPARE)
    page = render_html(report)
    assert '<header class="pending">' in page
    assert "reprun bless demo" in page
    assert 'data-verdict="new"' in page
    text = plain_text(renderable(report), 100)
    assert "? no reference: 4 objects" in text
    assert "3 bins, integral 60" in text
    assert f"try: {HINT}" in text
    assert render_markdown(report).startswith("## ❔ ")
    assert 'failures="4"' in render_junit(report)


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (
            ReferenceInfo(
                digest="sha256:" + "ab" * 32,
                date=dt.date(2026, 11, 22),
                author="A. S.",
                reason="by hand",
            ),
            "compared with the reference blessed on 2026-11-22 by A. S.: by hand (abababababab)",
        ),
        (
            ReferenceInfo(digest="sha256:" + "cd" * 32),
            "compared with a reference that nobody has blessed (cdcdcdcdcdcd)",
        ),
    ],
)
def test_every_form_says_what_was_compared_with(info: ReferenceInfo, sentence: str) -> None:
    about = AnalysisInfo(name="demo", title="A demonstration")
    report = build_report(first_look(MADE, (), TODAY), about).model_copy(update={"reference": info})
    assert sentence in render_html(report)
    assert sentence in plain_text(renderable(report), 200)
    assert sentence in render_junit(report)
    assert sentence in render_markdown(report).replace("\\", "")

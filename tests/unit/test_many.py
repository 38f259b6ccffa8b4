"""Very many objects: batches, several processes, and details of the worst alone."""

from __future__ import annotations

import pytest

from reprun.compare import engine
from reprun.report import build_report, drawing, render_html
from reprun.report import html as page
from reprun.report.model import AnalysisInfo
from tests.compare_support import run_many, verdicts


@pytest.mark.slow
def test_of_very_many_only_the_worst_keep_their_details(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_many(h007=500.0, h290=600.0)
    monkeypatch.setattr(engine, "MOST_DETAILED", 10)
    found = run_many(h007=500.0, h290=600.0)
    assert verdicts(found) == verdicts(whole)
    assert found.notes == whole.notes
    detailed = [item for item in found.items if item.detailed]
    assert len(detailed) == 10
    by_name = {item.name: item for item in whole.items}
    for item in detailed:
        assert item == by_name[item.name]
    assert {item.name for item in found.failures} <= {item.name for item in detailed}
    slim = next(item for item in found.items if not item.detailed)
    assert (slim.checks, slim.numbers and slim.numbers.first) == ((), ())


def test_the_page_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MOST_DRAWN", 20)
    monkeypatch.setattr(page, "MOST_LISTED", 30)
    comparison = run_many(h290=600.0)
    report = build_report(comparison, AnalysisInfo(name="n", title="t"))
    assert sum(bool(item.panels) for item in report.items) == 20
    assert report.items[0].panels
    assert "plots of 280 objects of 300 are left out" in report.notes[-1]
    html = render_html(report)
    assert html.count('<details class="item') == 30
    assert "270 more objects are not listed" in html
    monkeypatch.setattr(drawing, "MOST_NUMBERS", 100)
    few = build_report(comparison, AnalysisInfo(name="n", title="t"))
    assert 0 < sum(bool(item.panels) for item in few.items) < 20

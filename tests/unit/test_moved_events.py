"""Entries that moved to a neighbouring bin are explained by the events of a tree that did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from reprun.compare import Comparison, Item, compare
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import open_objects
from reprun.report import build_report, render_html, render_junit, render_markdown, report_json
from reprun.report.model import AnalysisInfo
from reprun.report.text import renderable
from tests.compare_support import TODAY

PT = np.random.default_rng(1).uniform(0.0, 60.0, 400)
PT[7] = 29.99999
EVENTS = {
    "run": np.full(400, 194115, "u4"),
    "event": np.arange(1, 401, dtype="u8"),
    "pt": PT,
    "weight": np.ones(400),
}


def write(path: Path, **changed: Any) -> None:
    columns = {**EVENTS, **changed}
    with uproot.recreate(path) as file:
        file["h_pt"] = np.histogram(columns["pt"], bins=20, range=(0.0, 60.0))
        file.mktree("Events", {name: np.asarray(one).dtype for name, one in columns.items()})
        file["Events"].extend(columns)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    write(tmp_path / "reference.root")
    return tmp_path / "reference.root"


def changed(place: int, value: float) -> Any:
    pt = PT.copy()
    pt[place] = value
    return pt


def comparison(reference: Path, *rules: ComparisonRule, **columns: Any) -> Comparison:
    path = reference.with_name("run.root")
    write(path, **columns)
    return compare(open_objects(path), open_objects(reference), rules, TODAY)


def histogram(compared: Comparison) -> Item:
    return next(item for item in compared.items if item.name == "h_pt")


def test_the_event_that_moved_is_named(reference: Path) -> None:
    item = histogram(comparison(reference, pt=changed(7, 30.00001)))
    (move,) = item.migrated
    assert (move.sentence, move.edge) == ("1 entry from bin 10 to 11", 30.0)
    assert move.events == ("run 194115, event 8, pt 30.00001 / 29.99999",)
    assert item.sentence.endswith(f"; moved in Events: {move.events[0]}")


def test_every_form_of_the_report_names_it(reference: Path) -> None:
    compared = comparison(reference, pt=changed(7, 30.00001))
    report = build_report(compared, AnalysisInfo(name="a", title="A"))
    event = "run 194115, event 8, pt 30.00001 / 29.99999"
    for text in (render_html(report), render_junit(report), render_markdown(report)):
        assert event in text
    assert f'"events":["{event}"]' in report_json(report)
    from rich.console import Console  # noqa: PLC0415 - for this test alone

    console = Console(width=400, record=True)
    console.print(renderable(report))
    assert event in console.export_text()


def test_an_allowed_move_is_explained_too(reference: Path) -> None:
    rules = [
        ComparisonRule(match="h_pt", kind="float", relative=2e-3, migrated=1, reason="why"),
        ComparisonRule(match="Events", kind="float", absolute=1e-3, reason="why"),
    ]
    compared = comparison(reference, *rules, pt=changed(7, 30.00001))
    assert compared.reproduced
    # The tree agrees within its tolerance: no event of it differs, and none is named.
    assert histogram(compared).migrated[0].events == ()
    compared = comparison(reference, rules[0], pt=changed(7, 30.00001))
    assert histogram(compared).migrated[0].events != ()


def test_an_event_that_went_elsewhere_is_not_named(reference: Path) -> None:
    """Two events differ, and neither has its values in the bins that changed."""
    far = changed(7, 29.9)
    far[20] = PT[20] + 1e-9
    with_far = comparison(reference, pt=far)
    assert all(not move.events for move in histogram(with_far).migrated)


def test_without_keys_no_event_is_named(tmp_path: Path) -> None:
    for name, pt in (("run", changed(7, 30.00001)), ("reference", PT)):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file["h_pt"] = np.histogram(pt, bins=20, range=(0.0, 60.0))
            file.mktree("Events", {"pt": np.dtype("f8")})
            file["Events"].extend({"pt": pt})
    run, other = (open_objects(tmp_path / f"{name}.root") for name in ("run", "reference"))
    assert histogram(compare(run, other, [], TODAY)).migrated[0].events == ()


def test_lists_are_looked_into(tmp_path: Path) -> None:
    import awkward as ak  # noqa: PLC0415 - for this test alone

    for name, pt in (("run", changed(7, 30.00001)), ("reference", PT)):
        lists = ak.unflatten(pt, np.full(200, 2))
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file["h_pt"] = np.histogram(pt, bins=20, range=(0.0, 60.0))
            file.mktree("Events", {"event": np.dtype("u8"), "jet_pt": "var * float64"})
            file["Events"].extend({"event": np.arange(1, 201, dtype="u8"), "jet_pt": lists})
    run, other = (open_objects(tmp_path / f"{name}.root") for name in ("run", "reference"))
    assert histogram(compare(run, other, [], TODAY)).migrated[0].events == (
        "event 4, jet_pt[1] 30.00001 / 29.99999",
    )

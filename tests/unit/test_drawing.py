"""What is drawn of profiles, efficiencies, graphs and planes."""

from __future__ import annotations

import numpy as np
import pytest

from reprun.compare import compare
from reprun.histograms import Axis, DataObject, Histogram, Objects
from reprun.histograms.composites import (
    GRAPH_COLUMNS,
    efficiency_table,
    points_table,
)
from reprun.report import build_report
from reprun.report.model import AnalysisInfo, Panel, brief
from tests.compare_support import TODAY
from tests.histograms_support import profile

AXIS = Axis.regular(2, 0.0, 10.0, title="pT [GeV]")


def panels(one: DataObject, other: DataObject) -> tuple[Panel, ...]:
    comparison = compare(Objects({"a": one}), Objects({"a": other}), [], TODAY)
    return build_report(comparison, AnalysisInfo(name="n", title="t")).items[0].panels


def test_a_profile_shows_means_and_their_errors() -> None:
    (panel,) = panels(profile(3.0), profile())
    assert panel.kind == "points"
    assert panel.monitored == (5.0, 9.0)
    assert panel.reference == (5.0, 6.0)
    assert panel.monitored_errors == pytest.approx((1.0, 2 / 3))
    assert panel.pulls == pytest.approx((0.0, 3 / np.hypot(2 / 3, 2 / 3)))
    (same,) = panels(profile(), profile())
    assert (same.same, same.reference, same.pulls) == (True, None, None)


def test_an_efficiency_shows_shares_with_asymmetric_errors() -> None:
    total = Histogram("t", (AXIS,), np.array([0, 10, 10, 0.0]))
    passed = Histogram("p", (AXIS,), np.array([0, 10, 5, 0.0]))
    (panel,) = panels(efficiency_table("a", passed, total), efficiency_table("a", passed, total))
    assert panel.monitored == (1.0, 0.5)
    assert panel.monitored_errors is not None
    assert panel.monitored_errors_low is not None
    # Ten of ten: nothing above; below, the share of which all pass with 15.9 %.
    assert panel.monitored_errors[0] == 0
    assert panel.monitored_errors_low[0] == pytest.approx(1 - 0.15865525393145707**0.1)
    assert panel.monitored_errors[1] == pytest.approx(panel.monitored_errors_low[1])


def test_a_graph_shows_its_points_where_they_lie() -> None:
    values = np.array([[4, 1, 0, 0, 0.1, 0.2], [1, 3, 0, 0, 0.3, 0.4]])
    graph = points_table("a", "TGraphAsymmErrors", GRAPH_COLUMNS, values)
    (panel,) = panels(graph, graph)
    assert panel.x == (1.0, 4.0)
    assert panel.monitored == (3.0, 1.0)
    assert panel.monitored_errors == (0.4, 0.2)
    assert panel.monitored_errors_low == (0.3, 0.1)
    assert panel.axis.edges == (-0.5, 2.5, 5.5)
    elsewhere = points_table("a", "TGraphAsymmErrors", GRAPH_COLUMNS, values + 1)
    (apart,) = panels(graph, elsewhere)
    assert (apart.reference, apart.pulls) == (None, None)
    assert "points elsewhere" in apart.note


def test_a_plane_is_a_map_and_two_projections() -> None:
    values = np.ones((4, 5))
    y_axis = Axis.regular(3, -1.0, 1.0)
    changed = values.copy()
    changed[1, 2] = 3
    one, other = (Histogram("a", (AXIS, y_axis), array) for array in (changed, values))
    shown, first, second = panels(one, other)
    assert [each.kind for each in (shown, first, second)] == ["map", "histogram", "histogram"]
    assert list(shown.monitored or ()) == [1, 3, 1, 1, 1, 1]
    assert list(shown.pulls or ()) == [0, 1, 0, 0, 0, 0]
    assert shown.y_axis is not None
    assert shown.y_axis is not None
    assert (shown.axis.bins, shown.y_axis.bins) == (2, 3)
    assert first.monitored == (7, 5)


def test_a_fine_plane_is_merged() -> None:
    axis = Axis.regular(250, 0.0, 1.0)
    thing = Histogram("a", (axis, AXIS), np.ones((252, 4)))
    shown = panels(thing, thing)[0]
    assert (shown.axis.bins, len(shown.monitored or ())) == (84, 168)
    assert "3 by 1 bins merged" in shown.note


UNEVEN = np.array([20, 30, 50, 90, 150.0])
AXES = {
    "even": (Axis.regular(4, 0, 10, title="m [GeV]"), "linear", "Entries / 2.5 GeV", ""),
    "no unit": (Axis.regular(4, 0, 1, title="x"), "linear", "Entries / 0.25", ""),
    "counts": (Axis.regular(4, 0, 4, title="jets"), "linear", "Entries", ""),
    "TLatex": (Axis.regular(1, 0, 3, title="A [cm^{2}]"), "linear", "Entries / 3 cm^{2}", ""),
    "edges of even bins": (Axis(np.arange(5.0)), "linear", "Entries", ""),
    "uneven": (Axis(UNEVEN, title="p_{T} [GeV]"), "linear", "Entries / bin", "Entries / GeV"),
    "no unit, uneven": (Axis(UNEVEN), "linear", "Entries / bin", "Entries / bin width"),
    "geometric": (Axis(np.geomspace(1, 1000, 31)), "log", "Entries / bin", "Entries / bin width"),
    "1-2-5": (Axis(np.array([1, 2, 5, 10, 20, 50.0])), "log", "Entries / bin",
              "Entries / bin width"),
    "through zero": (Axis(np.array([0, 1, 10, 100.0])), "linear", "Entries / bin",
                     "Entries / bin width"),
    "categories": (Axis.categories(("a", "b")), "linear", "Entries", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", AXES)
def test_an_axis_is_drawn_as_its_bins_are_and_their_width_is_said(name: str) -> None:
    axis, scale, title, divided = AXES[name]
    thing = Histogram("h", (axis,), np.arange(axis.bins + 2.0))
    (panel,) = panels(thing, thing)
    assert (panel.axis.scale, panel.y_title, panel.density_title) == (scale, title, divided)


def test_a_long_name_keeps_its_end() -> None:
    assert brief("short.root") == "short.root"
    long = brief("results/2026-11-22/build_4711.root")
    assert (len(long), long[0], long[-15:]) == (24, "…", "build_4711.root")

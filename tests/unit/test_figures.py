"""Figures of what differs: one PNG and PDF an object, the same bytes each time."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprun.compare import compare
from reprun.errors import BackendError
from reprun.histograms import Axis, DataObject, Histogram, Objects, write_histograms
from reprun.histograms.composites import GRAPH_COLUMNS, points_table
from reprun.report import build_report
from reprun.report import figures as module
from reprun.report.figures import render_figures
from reprun.report.model import AnalysisInfo, Report
from reprun.runs.compare_files import Files, compare_files
from reprun.runs.compared import answered
from tests.compare_support import AXIS, TODAY

pytestmark = pytest.mark.slow

PNG, PDF = b"\x89PNG\r\n", b"%PDF-"
ONE = Histogram("h", (AXIS,), np.arange(52.0))


def changed(thing: Any, place: Any, value: float) -> Any:
    values = thing.values.copy()
    values[place] = value
    return dataclasses.replace(thing, values=values)


def report(one: dict[str, DataObject], other: dict[str, DataObject]) -> Report:
    comparison = compare(Objects(one), Objects(other), (), TODAY)
    return build_report(comparison, AnalysisInfo(name="a", title="A"))


def graph(y: float) -> Any:
    return points_table("g", "TGraphErrors", GRAPH_COLUMNS, np.array([[1, y, 0, 0, 1, 1.0]] * 3))


PLANE = Histogram("p", (Axis.regular(4, 0, 1, title="$x"), Axis.regular(3, 0, 1)), np.ones((6, 5)))
LABELLED = Histogram("l", (dataclasses.replace(Axis.regular(3, 0, 3), labels=("a", "$b", "c")),),
                     np.ones(5))  # fmt: skip
HOSTILE = r"#it{$a}^{b_{#bar{t}c}} \mu_{\x %&#~`} $\frac{x^2}{#}$ \\" + "$"
LOG = Histogram("g", (Axis(np.geomspace(1, 1e3, 4), title=HOSTILE),), np.arange(5.0))
MANY = Histogram("m", (Axis.regular(200, 0, 1),), np.arange(202.0))
PAIRS: dict[str, tuple[Any, Any, list[str]]] = {
    "bins": (changed(ONE, 20, 90), ONE, ["x"]),
    "weights": (dataclasses.replace(changed(ONE, 20, 90), sumw2=ONE.values),
                dataclasses.replace(ONE, sumw2=ONE.values), ["x"]),
    "flow": (changed(changed(ONE, 0, 9), 51, 90), ONE, ["x"]),
    "nan": (changed(ONE, 20, np.nan), ONE, ["x"]),
    "all nan": (dataclasses.replace(ONE, values=np.full(52, np.nan)), ONE, ["x"]),
    "negative": (changed(ONE, 20, -90), ONE, ["x"]),
    "labels": (changed(LABELLED, 2, 5), LABELLED, ["x"]),
    "logarithmic": (changed(changed(LOG, 2, 5), 4, 9), LOG, ["x"]),
    "many": (changed(MANY, 20, 90), MANY, ["x"]),
    "plane": (changed(PLANE, (2, 2), 5), PLANE, ["x", "x_2", "x_map"]),
    "points": (graph(1), graph(2), ["x"]),
    "empty": (ONE, dataclasses.replace(ONE, values=np.zeros(52)), ["x"]),
    "other axes": (ONE, Histogram("h", (Axis.regular(3, 0, 1),), np.ones(5)), ["x"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_what_differs_is_drawn(name: str) -> None:
    one, other, names = PAIRS[name]
    found = dict(render_figures(report({"x": one, "same": ONE}, {"x": other, "same": ONE})))
    assert sorted(found) == sorted(f"{each}.{kind}" for each in names for kind in ("png", "pdf"))
    for file, data in found.items():
        assert data.startswith(PNG if file.endswith("png") else PDF)


@pytest.mark.parametrize("sides", [({"x": ONE, "y": ONE}, {"y": ONE}), ({"y": ONE}, {"x": PLANE})])
def test_what_is_on_one_side_only_is_drawn_alone(sides: Any) -> None:
    assert "x.png" in dict(render_figures(report(*sides)))


def test_the_same_report_gives_the_same_bytes() -> None:
    made = report({"x": changed(ONE, 20, 90)}, {"x": ONE})
    assert dict(render_figures(made)) == dict(render_figures(made))


def test_where_all_agrees_nothing_is_drawn() -> None:
    assert list(render_figures(report({"x": ONE}, {"x": ONE}))) == []


def test_names_are_harmless_and_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["../../x", "a b", "a/b", "a_b"]
    one = {name: changed(ONE, 20, 90) for name in names}
    made = report(one, dict.fromkeys(names, ONE))
    monkeypatch.setattr(module, "FORMATS", ("png",))
    assert sorted(name for name, _ in render_figures(made)) == [
        "_x.png", "a_b.png", "a_b_2.png", "a_b_3.png",
    ]  # fmt: skip
    monkeypatch.setattr(module, "MOST_FIGURES", 2)
    assert len(list(render_figures(made))) == 2


def test_without_matplotlib_the_next_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BackendError) as caught:
        list(render_figures(report({"x": changed(ONE, 20, 90)}, {"x": ONE})))
    assert caught.value.hint == "pip install 'reprun[plots]'"


def test_without_mplhep_they_are_in_the_style_of_matplotlib(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mplhep", None)
    assert "x.png" in dict(render_figures(report({"x": changed(ONE, 20, 90)}, {"x": ONE})))


def test_the_command_writes_them(tmp_path: Path) -> None:
    write_histograms(tmp_path / "a.json", [changed(ONE, 20, 90)])
    write_histograms(tmp_path / "b.json", [ONE])
    files = Files(tmp_path / "a.json", tmp_path / "b.json")
    compare_files(files, answered, plots=tmp_path / "new" / "plots")
    assert sorted(path.name for path in (tmp_path / "new/plots").iterdir()) == ["h.pdf", "h.png"]

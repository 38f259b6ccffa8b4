"""The page in a real browser: it draws, logs no error and needs no network."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import numpy as np
import pytest

from reprun.compare import compare
from reprun.histograms import Axis, Histogram, Objects
from reprun.report import build_report, render_html
from reprun.report.model import AnalysisInfo, Report
from reprun.report.pictures import Picture
from tests.browser import dumped
from tests.compare_support import TODAY
from tests.histograms_support import profile
from tests.sample_report import PIXEL, sample

pytestmark = pytest.mark.chromium


def test_every_plot_is_drawn_and_nothing_is_logged(tmp_path: Path) -> None:
    report = sample()
    page = tmp_path / "report.html"
    page.write_text(
        render_html(report, [Picture("plots/m4l.png", len(PIXEL), PIXEL)]), encoding="utf-8"
    )
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    open_items = re.findall(r"<details[^>]* open(?:=\"\")?>.*?</details>", dom, re.DOTALL)
    drawable = [item for item in report.items[: len(open_items)] if item.panels]
    assert len(open_items) == 8
    assert len(drawable) > 4
    assert dom.count('<div class="plot">') == sum(len(item.panels) for item in drawable)
    assert dom.count('class="frame"') >= len(drawable)
    assert dom.count('class="pullbar') >= 2
    assert "NaN" not in "".join(re.findall(r"<svg.*?</svg>", dom, re.DOTALL))
    assert "Infinity" not in "".join(re.findall(r"<svg.*?</svg>", dom, re.DOTALL))
    assert "15 of 15 shown" in dom


def test_maps_and_points_are_drawn(tmp_path: Path) -> None:
    axis = Axis.regular(2, 0.0, 10.0)
    plane = [Histogram("plane", (axis, axis), np.full((4, 4), float(n))) for n in (1, 2)]
    sides = [Objects({"mean": profile(n), "plane": plane[n]}) for n in (0, 1)]
    comparison = compare(sides[0], sides[1], [], TODAY)
    page = tmp_path / "report.html"
    page.write_text(render_html(build_report(comparison, AnalysisInfo(name="n", title="t"))))
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    assert dom.count('<div class="plot">') == 4
    # Contents and pulls of the plane, as pictures that lie in the page.
    assert dom.count('href="data:image/png;base64,') == 2
    assert "mean and its error" in dom
    assert "NaN" not in "".join(re.findall(r"<svg.*?</svg>", dom, re.DOTALL))


def test_titles_axes_and_many_points(tmp_path: Path) -> None:
    """Lowered and raised parts, a logarithmic axis, contents by width, and a band for many bins."""
    growing = Axis(np.geomspace(1.0, 1000.0, 4), title="p_{T}^{#mu} <b>[GeV]")
    many = Axis.regular(200, 0.0, 2.0, title="x")
    sides = [
        Objects({"g": Histogram("g", (growing,), np.array([0, n, 20, 30, n])),
                 "m": Histogram("m", (many,), np.full(202, n))})
        for n in (9.0, 16.0)
    ]  # fmt: skip
    script = """<script>[...document.querySelectorAll(".scales button")]
      .find((button) => button.textContent === "per width").click();</script></body>"""
    page = tmp_path / "report.html"
    report = build_report(compare(sides[0], sides[1], [], TODAY), AnalysisInfo(name="n", title="t"))
    page.write_text(render_html(report).replace("</body>", script))
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    assert re.search(r'<tspan dy="3\.00" font-size="9\.50">T</tspan><tspan[^>]*>μ</tspan>', dom)
    assert "&lt;b&gt;[GeV]" in dom
    assert ">Entries / GeV</text>" in dom
    assert ">per bin</button>" in dom
    assert all(f">{tick}</text>" in dom for tick in (1, 10, 100, 1000))
    assert ">Entries / 0.01</text>" in dom
    drawn = "".join(re.findall(r"<svg viewBox.*?</svg>", dom.partition("<script")[0], re.DOTALL))
    assert drawn.count('class="runband"') == 3  # contents, ratio and legend
    assert "NaN" not in drawn


def many_identical() -> Report:
    """Return a report on three directories of ten objects each, of which one differs."""
    axis = Axis.regular(2, 0.0, 1.0)
    names = [f"dir{n % 3}/h{n}" for n in range(30)]
    one = {name: Histogram("h", (axis,), np.array([0, 1, 2, 0.0])) for name in names}
    other = one | {names[4]: Histogram("h", (axis,), np.array([0, 1, 3, 0.0]))}
    return build_report(
        compare(Objects(one), Objects(other), [], TODAY), AnalysisInfo(name="n", title="t")
    )


@pytest.mark.parametrize("searched", ["h17", ""])
def test_a_search_opens_the_directories_it_finds_something_in(
    tmp_path: Path, searched: str
) -> None:
    script = f"""<script>
      const search = document.getElementById("search");
      for (search.value of ["h17", "{searched}"]) search.dispatchEvent(new Event("input"));
    </script></body>"""
    page = tmp_path / "report.html"
    page.write_text(render_html(many_identical()).replace("</body>", script))
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    folders = re.findall(r'<details class="folder[^>]*>', dom)
    shown = [folder for folder in folders if "hidden" not in folder]
    assert len(folders) == 3
    assert len(shown) == (1 if searched else 3)
    assert all(" open" in folder for folder in shown) == bool(searched)
    assert f"{1 if searched else 30} of 30 shown" in dom


def test_nothing_is_wider_than_the_screen_of_a_phone(tmp_path: Path) -> None:
    inner = render_html(sample(), [Picture("plots/m4l.png", len(PIXEL), PIXEL)])
    page = tmp_path / "outer.html"
    page.write_text(f"""<iframe style="width:390px;height:4000px" srcdoc="{escape(inner)}"></iframe>
    <script>onload = () => {{
      const inside = frames[0].document;
      inside.getElementById("open-all").click();
      setTimeout(() => {{
        document.title = `wide ${{inside.documentElement.scrollWidth}} ${{frames[0].innerWidth}}`;
      }}, 500);
    }};</script>""")
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    ((wide, screen),) = re.findall(r"<title>wide (\d+) (\d+)</title>", dom)
    assert int(wide) <= int(screen) == 390


def test_filters_and_scales_answer_the_reader(tmp_path: Path) -> None:
    script = """<script>
      document.getElementById("open-all").click();
      document.getElementById("all-log").click();
      document.querySelector(".chip.v-missing").click();
      const search = document.getElementById("search");
      search.value = "BIN [103,";
      search.dispatchEvent(new Event("input"));
    </script></body>"""
    page = tmp_path / "report.html"
    page.write_text(render_html(sample()).replace("</body>", script), encoding="utf-8")
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    shown = [tag for tag in re.findall(r"<details[^>]*>", dom) if "hidden" not in tag]
    assert len(shown) == 1
    assert 'data-verdict="changed"' in shown[0]
    assert "1 of 15 shown" in dom
    (item,) = re.findall(re.escape(shown[0]) + r".*?</details>", dom, re.DOTALL)
    assert ">linear</button>" in item
    assert ">10</text>" in item


def test_an_error_in_the_script_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_html(sample()).replace('"use strict";', "missing();"), encoding="utf-8")
    dom, console = dumped(page, tmp_path / "profile")
    assert any("missing is not defined" in line for line in console)
    assert '<div class="plot">' not in dom


def test_an_outside_load_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    outside = '<img src="http://localhost:9/x.png"></body>'
    page.write_text(render_html(sample()).replace("</body>", outside), encoding="utf-8")
    _, console = dumped(page, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in console)

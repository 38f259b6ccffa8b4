"""The pages of a matrix in a real browser: filters, a phone, and nothing from elsewhere."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pytest

from tests.browser import dumped
from tests.site_support import site

pytestmark = pytest.mark.chromium


def rows_shown(dom: str) -> list[str]:
    """Return the names of the analyses whose rows are not hidden."""
    rows = re.findall(r'<tr([^>]*)><th scope="row">(\w+)<small>', dom)
    return [name for attributes, name in rows if "hidden" not in attributes]


def test_states_and_names_filter_the_cells(tmp_path: Path) -> None:
    page = site(tmp_path)
    plain = page.read_text()
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    assert rows_shown(dom) == ["good", "bad", "killed", "once", "never"]
    assert "5 of 5 shown" in dom
    page.write_text(
        plain.replace(
            "</body>",
            """<script>
      document.querySelector(".chip.s-reproduced").click();
      search.value = "COLUMNAR";
      search.dispatchEvent(new Event("input"));
    </script></body>""",
        )
    )
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    assert rows_shown(dom) == ["bad", "killed"]
    assert "2 of 5 shown" in dom


def test_without_its_script_every_cell_is_shown(tmp_path: Path) -> None:
    page = site(tmp_path)
    page.write_text(page.read_text().replace("script-src 'unsafe-inline'", "script-src 'none'"))
    dom, _ = dumped(page, tmp_path / "profile")
    assert rows_shown(dom) == ["good", "bad", "killed", "once", "never"]
    assert '<html lang="en">' in dom


@pytest.mark.parametrize("name", ["index.html", "cells/bad.columnar.html"])
def test_nothing_is_wider_than_the_screen_of_a_phone(tmp_path: Path, name: str) -> None:
    inner = (site(tmp_path).parent / name).read_text()
    page = tmp_path / "outer.html"
    page.write_text(f"""<iframe style="width:390px;height:3000px" srcdoc="{escape(inner)}"></iframe>
    <script>onload = () => {{
      const inside = frames[0].document;
      const left = Math.min(...[...inside.querySelectorAll("main *")]
        .filter((each) => each.getClientRects().length)
        .map((each) => each.getBoundingClientRect().left));
      document.title = `wide ${{inside.documentElement.scrollWidth}} left ${{left >= 0}}`;
    }};</script>""")
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    ((wide, left),) = re.findall(r"<title>wide (\d+) left (\w+)</title>", dom)
    assert int(wide) <= 390
    assert left == "true"


def test_the_page_of_a_cell_draws_two_plots(tmp_path: Path) -> None:
    page = site(tmp_path).parent / "cells" / "bad.columnar.html"
    dom, console = dumped(page, tmp_path / "profile")
    assert console == []
    drawn = re.findall(r"<svg.*?</svg>", dom, re.DOTALL)
    assert len(drawn) == 2
    assert "NaN" not in "".join(drawn)


def test_an_outside_load_is_refused(tmp_path: Path) -> None:
    page = site(tmp_path)
    outside = '<img src="http://localhost:9/x.png"></body>'
    page.write_text(page.read_text().replace("</body>", outside))
    _, console = dumped(page, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in console)

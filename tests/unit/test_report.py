"""The report: one document, three renderers, nothing recomputed and nothing unescaped."""

from __future__ import annotations

import datetime
import json
import mimetypes
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET  # reads only what we wrote

import numpy as np
import pytest
from rich.console import Console, Group

from reprun.bounded import limits
from reprun.compare import Comparison, Verdict, compare
from reprun.compare.calibrate import Calibration
from reprun.compare.drift import FirstDrift
from reprun.documents.analysis import ComparisonRule
from reprun.errors import OutputMissingError
from reprun.histograms import Axis, Histogram, Objects, Unread
from reprun.histograms.events import ENTRIES
from reprun.histograms.model import BYTES
from reprun.report import (
    build_report,
    read_pictures,
    render_html,
    render_junit,
    render_markdown,
    report_json,
)
from reprun.report.calibration import calibration_lines
from reprun.report.drawing import _projection
from reprun.report.grid import plain_text
from reprun.report.model import AnalysisInfo, Plot, Report, read_report, report_schema
from reprun.report.pictures import Picture, picture_type
from reprun.report.text import renderable
from tests.compare_support import TODAY
from tests.sample_report import NASTY, PIXEL, every_verdict, sample


def render_text(
    report: Report, *, width: int = 100, written: Sequence[tuple[str, str]] = ()
) -> str:
    return plain_text(renderable(report, written=written), width)


SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "report.json"


class _Page(HTMLParser):
    """Collects the tags, their attributes and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data


class TestDocument:
    def test_items_stand_worst_first(self) -> None:
        report = sample()
        severities = [Verdict(item.verdict).severity for item in report.items]
        assert severities == sorted(severities, reverse=True)
        assert {item.verdict for item in report.items} == {str(v) for v in Verdict if v != "new"}
        assert sum(report.counts.values()) == len(report.items)
        assert report.status == "not reproduced"
        assert not report.reproduced

    def test_json_round_trip(self, tmp_path: Path) -> None:
        text = report_json(sample())
        (tmp_path / "report.json").write_text(text)
        assert report_json(read_report(tmp_path / "report.json")) == text
        document = json.loads(text, parse_constant=pytest.fail)
        item = next(item for item in document["items"] if item["name"] == "nan")
        assert item["differences"][0]["monitored"] == "NaN"
        assert item["max_relative"] == "Infinity"

    def test_the_keys_are_frozen(self) -> None:
        document = json.loads(report_json(sample()))
        assert document["schema_version"] == 1
        assert set(document) == {
            "schema_version", "generator", "analysis", "status", "sentence", "hint", "reference",
            "sides", "counts", "causes", "first_drift", "items", "ignored", "left_out", "notes",
            "tables", "plots", "steps", "provenance", "citations",
        }  # fmt: skip
        assert set(document["items"][0]) == {
            "name", "title", "class_name", "verdict", "passes", "sentence", "kind", "rule",
            "monitored_hash", "reference_hash", "axes", "bins", "differing", "beyond",
            "max_ulp", "max_relative", "max_pull", "worst", "integrals", "factor", "differences",
            "renamed_from", "migrated", "checks", "needed", "notes", "panels", "table",
        }  # fmt: skip

    def test_the_published_schema_is_current(self) -> None:
        assert SCHEMA.read_text() == report_schema(), "the report changed; type: make schemas"

    def test_a_report_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(OutputMissingError, match="there is no report") as error:
            read_report(tmp_path / "report.json")
        assert error.value.place == str(tmp_path / "report.json")

    def test_numbers_of_a_pair_that_agrees_are_kept_once(self) -> None:
        report = sample()
        (same,) = next(item for item in report.items if item.name == "same").panels
        assert same.same
        assert same.monitored is not None
        assert same.reference is None
        (gone,) = next(item for item in report.items if item.name == "gone").panels
        assert not gone.same
        assert gone.monitored is None
        assert gone.reference is not None

    def test_other_axes_are_not_drawn_over_each_other(self) -> None:
        (panel,) = next(item for item in sample().items if item.name == "axes").panels
        assert panel.reference is None
        assert not panel.same
        assert "other axes" in panel.note

    def test_two_axes_are_projected_with_all_flow(self) -> None:
        axes = Axis.regular(2, 0, 2), Axis.regular(1, 0, 1)
        thing = Histogram("h", axes, np.arange(12.0).reshape(4, 3))
        panel = _projection(thing, None, thing, 0, same=False, apart=False)
        assert panel.monitored == (12.0, 21.0)
        assert panel.monitored_flow == (3.0, 30.0)

    def test_fine_axes_are_merged_for_drawing_without_losing_a_count(self) -> None:
        axis = Axis.regular(2500, 0, 2500)
        thing = Histogram("h", (axis,), np.ones(2502), sumw2=np.ones(2502) * 4)
        panel = _projection(thing, None, thing, 0, same=False, apart=False)
        assert panel.monitored is not None
        assert panel.monitored_errors is not None
        assert sum(panel.monitored) == 2500
        assert panel.monitored_errors[0] == pytest.approx(np.sqrt(12))
        assert panel.axis.edges is not None
        assert panel.axis.edges[-1] == 2500
        assert len(panel.axis.edges) == len(panel.monitored) + 1 == panel.axis.bins + 1


def test_every_form_of_a_report_names_the_first_drift() -> None:
    """Rules, wildcards and paths come from the analysis: nothing in them is markup."""
    sentence = "step smear x=<b> (results/smeared.root); before it generate agrees"
    drift = FirstDrift("smear x=<b>", ("results/smeared.root",), sentence)
    report = build_report(every_verdict(), AnalysisInfo(name="a", title="A"), first_drift=drift)
    assert f"first drift: {sentence}" in render_text(report, width=120)
    assert "- first drift: step smear x=\\<b\\>" in render_markdown(report)
    assert f"first drift: {sentence}" in str(
        ET.fromstring(render_junit(report)).findtext("testsuite/system-out")
    )
    page = _Page(render_html(report))
    assert sentence in page.text
    assert json.loads(report_json(report))["first_drift"] == {
        "step": "smear x=<b>",
        "outputs": ["results/smeared.root"],
        "sentence": sentence,
    }


def partly_read() -> Report:
    """Return the report of files with all that may become of what is in them."""

    def side(letter: str) -> Objects:
        decoded = Histogram("h", (Axis.regular(2, 0, 1),), np.arange(4.0))
        return Objects(
            {"h": decoded},
            {
                "same bytes": Unread("TF1", {BYTES: "sha256:1"}),
                "other bytes": Unread("TF1", {BYTES: f"sha256:{letter}"}),
                "elsewhere": Unread("TChain"),
                "unwanted": Unread("TF1", {BYTES: f"sha256:{letter}"}),
                "tree": Unread("TTree", {ENTRIES: "1", "x": "sha256:1", "seed": letter}),
            },
        )

    rules = [ComparisonRule(match=match, kind="ignore", reason="not ours")
             for match in ("unwanted", "tree/seed")]  # fmt: skip
    found = compare(side("a"), side("b"), rules, datetime.date(2026, 1, 1))
    return build_report(found, AnalysisInfo(name="a", title="A"))


def test_every_form_says_what_was_compared_and_what_was_not() -> None:
    report = partly_read()
    cannot = "cannot be compared by this version (TF1); its stored bytes differ"
    texts = {
        "html": render_html(report),
        "json": report_json(report),
        "junit": render_junit(report),
        "markdown": render_markdown(report).replace("\\", ""),
    }
    for name, text in texts.items():
        for words in ("other bytes", cannot, "elsewhere", "unwanted", "tree/seed", "not ours",
                      report.left_out):  # fmt: skip
            assert words in text, (name, words)
    console = Console(width=200, record=True)
    console.print(renderable(report))
    shown = console.export_text()
    for words in ("other bytes", cannot, "elsewhere", "ignored: unwanted", "ignored: tree/seed"):
        assert words in shown
    assert not report.reproduced


def test_of_junit_what_is_not_compared_fails_and_what_is_ignored_is_skipped() -> None:
    suite = ET.fromstring(render_junit(partly_read()))[0]
    cases = {case.get("name"): case[0] for case in suite.iter("testcase")}
    tags = {name: case.tag for name, case in cases.items()}
    assert tags == {
        "h": "system-out", "same bytes": "system-out", "tree": "system-out",
        "other bytes": "failure", "elsewhere": "failure",
        "unwanted": "skipped", "tree/seed": "skipped",
    }  # fmt: skip
    assert cases["other bytes"].get("type") == "not comparable"
    assert "stored bytes, all the same" in (cases["same bytes"].text or "")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "2", "2")


def test_without_a_drift_no_form_speaks_of_one() -> None:
    report = build_report(every_verdict(), AnalysisInfo(name="a", title="A"))
    for text in (render_text(report), render_markdown(report), render_junit(report)):
        assert "drift" not in text
    assert "First drift" not in render_html(report)
    assert json.loads(report_json(report))["first_drift"] is None


def test_a_calibration_counts_the_objects_without_toys_that_it_does_not_name() -> None:
    calibration = Calibration(20, 0.0, 0.01, (), tuple(f"flag{n:02}" for n in range(87)))
    text = plain_text(Group(*calibration_lines(calibration)), 2000)
    assert "without toys: flag00, flag01, " in text
    assert "flag49 and 37 more\n" in text


PLOTS = (
    Picture("plots/m4l.png", len(PIXEL), PIXEL),
    Picture("plots/m4l.pdf", 4),
    Picture("plots/large.svg", 10**7),
)
LINKS = ("./plots/m4l.pdf", "./plots/large.svg")
FILES = {
    "plots/a.png": PIXEL,
    "plots/b.svg": b"<svg><script/></svg>",
    "plots/large.png": b"x" * 81,
    "plots/late.png": PIXEL,
    'plots/a "b" #1.pdf': b"%PDF",
}


def of_titles() -> Report:
    """Return a report on a histogram with titles as ROOT has them, one bin empty on one side."""
    axis = Axis.regular(2, 0, 2, title="p_{T}^{#mu} [GeV]")
    sides = [
        Objects({"h": Histogram("h", (axis,), np.array(values), title="<i>#sqrt{s}</i> p_{T}")})
        for values in ([0, 9, 9, 0.0], [0, 0, 16, 0.0])
    ]
    comparison = compare(sides[0], sides[1], (), TODAY)
    return build_report(comparison, AnalysisInfo(name="a", title="A"))


class TestText:
    def test_a_failure_says_what_where_and_why(self) -> None:
        text = render_text(sample(), width=120, written=[("report", "results/report.html")])
        assert "✗ not reproduced: 9 of 15 objects failed" in text
        assert "cause: the image changed: numpy 2.4.5 became 2.4.6" in text
        assert "bin 12 [103, 106) GeV" in text
        assert text.rstrip().endswith("report: results/report.html")
        assert "\x1b" not in text

    def test_a_pass_is_short(self) -> None:
        passed = tuple(item for item in every_verdict().items if item.verdict.passes)
        report = sample(Comparison(passed))
        text = render_text(report, width=120)
        assert "✓ reproduced: 6 objects, 4 identical, 1 equal within 1e-12, 1 compatible" in text
        assert "all the same" not in text

    def test_an_error_stands_beside_its_value_and_no_ratio_is_nan(self) -> None:
        text = render_text(of_titles(), width=120)
        assert "h: 2 differing bins of p_T^μ [GeV]" in text
        assert re.search(r"bin 1 \[0, 1\) GeV +9 ± 3 +0 ± 0 +0 in the reference +3\n", text)
        assert re.search(r"bin 2 \[1, 2\) GeV +9 ± 3 +16 ± 4 +0.5625 +-1.4\n", text)
        assert not re.search(r"\b(nan|inf)\b", text)

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_markup_in_names_is_text(self, width: int) -> None:
        (item,) = (item for item in every_verdict().items if item.name == "changed")
        report = sample(Comparison((replace(item, name="[red]x[/red]\x1b[2J"),)))
        text = render_text(report, width=width).replace("\n", "")
        assert "\x1b" not in text
        if width > 40:
            assert "[red]x[/red]\\x1b[2J" in text

    def test_colour_follows_the_console(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        shown = []
        for _ in range(2):
            console = Console(force_terminal=True, color_system="standard", width=100)
            with console.capture() as capture:
                console.print(renderable(sample()))
            shown.append(capture.get())
            monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[1;31m" in shown[0]
        assert "31m" not in shown[1]


class TestHtml:
    def test_nothing_is_loaded_and_nothing_escapes(self) -> None:
        text = render_html(sample(), PLOTS)
        page = _Page(text)
        for tag, attributes in page.tags:
            for name in ("src", "href", "srcset", "action", "data"):
                if name in attributes and attributes[name] not in LINKS:
                    assert attributes[name].startswith("data:image/png;base64,"), (tag, attributes)
            assert not any(name.startswith("on") for name in attributes)
        # What scripts a linked SVG holds, no browser runs them: it is saved.
        assert [a["href"] for t, a in page.tags if t == "a" and "download" in a] == [LINKS[1]]
        assert "url(" not in text
        assert "@import" not in text
        assert not re.search(r"https?://", text)
        assert "default-src 'none'" in text
        assert [tag for tag, _ in page.tags].count("script") == 2
        assert NASTY in page.text
        assert text.count("alert(1)") == text.count("&lt;script&gt;alert(1)") + text.count(
            "\\u003cscript\\u003ealert(1)"
        )

    @pytest.mark.parametrize(("identical", "folded"), [(20, []), (22, ["12 a/b/", "9 a/c/"])])
    def test_many_identical_objects_are_folded_by_directory(
        self, identical: int, folded: list[str]
    ) -> None:
        names = ["top", *(f"a/b/h{n}" for n in range(12)), *(f"a/c/h{n}" for n in range(9))]
        found = {item.name: item for item in every_verdict().items}
        same = tuple(replace(found["same"], name=name) for name in names[:identical])
        comparison = Comparison((found["changed"], *same))
        text = render_html(build_report(comparison, AnalysisInfo(name="a", title="b")))
        heads = re.findall(r'<b>(\d+)</b></span><span class="name">([^<]*)', text)
        assert [" ".join(head) for head in heads] == folded
        flat, *_ = text.partition('<details class="folder')
        assert flat.count('<details class="item') == (2 if folded else 21)
        listed = [a["data-i"] for _, a in _Page(text).tags if "data-i" in a]
        assert sorted(map(int, listed)) == list(range(identical + 1))

    def test_titles_are_set_and_are_no_markup(self) -> None:
        text = render_html(of_titles())
        assert "&lt;i&gt;√s&lt;/i&gt; p<sub>T</sub>" in text
        assert "Differing bins of p<sub>T</sub><sup>μ</sup> [GeV]" in text
        assert "<td>9 ± 3</td><td>0 ± 0</td><td>0 in the reference</td>" in text
        (panel,) = json.loads(_Page(text).scripts[0])[0]
        assert panel["x"] == [["p", "", 0], ["T", "_", 0], ["μ", "^", 0], [" [GeV]", "", 0]]
        assert panel["t"] == "<i>√s</i> p_T"
        assert panel["yt"] == "Entries / 1 GeV"

    def test_the_numbers_stand_there_without_scripts(self) -> None:
        page = _Page(render_html(sample()))
        assert sample().sentence in page.text
        for words in (
            "bin 12 [103, 106) GeV",
            "numpy 2.4.5 became 2.4.6",
            "30.25",
            "10.7483/X",
            "runc",
        ):
            assert words in page.text, words
        items = [attributes for tag, attributes in page.tags if tag == "details"]
        assert [item["data-verdict"] for item in items] == [i.verdict for i in sample().items]

    def test_the_embedded_numbers_are_json(self) -> None:
        report = sample()
        data = json.loads(_Page(render_html(report)).scripts[0], parse_constant=pytest.fail)
        assert len(data) == len(report.items)
        place = next(n for n, item in enumerate(report.items) if item.name == "nan")
        assert data[place][0]["m"][4] is None
        assert data[place][0]["b"] == [40, 70.0, 190.0]

    @pytest.mark.parametrize(
        ("path", "media"),
        [
            ("plots/m4l.png", "image/png"),
            ("plots/m4l.PNG", "image/png"),
            ("m4l.jpg", "image/jpeg"),
            ("m4l.jpeg", "image/jpeg"),
            ("m4l.svg", "image/svg+xml"),
            ("m4l.webp", "image/webp"),
            ("m4l.svg.gz", None),
            ("m4l.pdf", None),
            ("m4l.tiff", None),
            ("m4l.odd", None),
            ("png", None),
        ],
    )
    def test_what_browsers_show_is_a_picture(self, path: str, media: str | None) -> None:
        assert picture_type(path) == media

    def test_types_that_the_system_adds_do_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mimetypes.init()
        monkeypatch.setitem(mimetypes.types_map, ".odd", "image/png")
        assert mimetypes.guess_type("m4l.odd") == ("image/png", None)
        assert picture_type("m4l.odd") is None

    def test_pictures_are_read_below_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "plots").mkdir()
        for name, content in FILES.items():
            (tmp_path / name).write_bytes(content)
        for name, most in (("PICTURE_BYTES", 80), ("PICTURES_BYTES", 100)):
            limit = replace(getattr(limits, name), value=most)
            monkeypatch.setattr(limits, name, limit)
        found = read_pictures([*FILES, "plots/gone.png"], tmp_path)
        assert [picture.path for picture in found if picture.content] == [
            "plots/a.png", "plots/b.svg",
        ]  # fmt: skip
        told = {picture.path: (picture.link, picture.words) for picture in found[2:]}
        assert told == {
            "plots/large.png": ("./plots/large.png", "PNG, 81 bytes: too large for this page"),
            "plots/late.png": ("./plots/late.png", "PNG, 69 bytes: too large for this page"),
            'plots/a "b" #1.pdf': ("./plots/a%20%22b%22%20%231.pdf", "PDF, 4 bytes"),
            "plots/gone.png": (None, "this file is missing"),
        }

    def test_every_plot_is_shown_or_linked(self, tmp_path: Path) -> None:
        (tmp_path / "plots").mkdir()
        for name, content in FILES.items():
            (tmp_path / name).write_bytes(content)
        plots = tuple(Plot(path=name) for name in (*FILES, "plots/gone.png"))
        report = sample().model_copy(update={"plots": plots})
        page = _Page(render_html(report, read_pictures([p.path for p in plots], tmp_path)))
        images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
        assert [image.partition(";")[0] for image in images] == [
            "data:image/png", "data:image/svg+xml", "data:image/png", "data:image/png",
        ]  # fmt: skip
        links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
        assert links == ["./plots/a%20%22b%22%20%231.pdf"]
        assert 'plots/a "b" #1.pdf (PDF, 4 bytes)' in page.text
        assert "plots/gone.png (this file is missing)" in page.text
        assert "script" not in "".join(images)

    def test_what_no_page_shows_is_not_read(self, tmp_path: Path) -> None:
        for name, size in (("large.png", 1 << 40), ("one.png", 1), ("m4l.pdf", 1)):
            with (tmp_path / name).open("wb") as stream:
                stream.truncate(size)
        found = read_pictures(("large.png", "one.png", "m4l.pdf"), tmp_path)
        assert {one.path: one.content for one in found if one.content} == {"one.png": b"\0"}

    @pytest.mark.slow
    def test_a_thousand_pairs_stay_small(self) -> None:
        (item,) = (item for item in every_verdict().items if item.name == "changed")
        many = Comparison((item,) * 1000)
        start = time.process_time()
        text = render_html(build_report(many, AnalysisInfo(name="a", title="b")))
        assert len(text) < 15_000_000
        assert time.process_time() - start < 30  # a bound on growth, not a benchmark

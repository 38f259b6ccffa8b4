"""A badge says what the evidence proves of today, and is green of nothing else."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from matplotlib.textpath import TextPath
from typer.testing import CliRunner

from reprun.authoring.init import EXAMPLE, init_project
from reprun.cli.main import program
from reprun.digests import sha256_bytes
from reprun.documents.project import Project
from reprun.documents.record import EVALUATED_BY, REPORT_JSON, write_record
from reprun.documents.selection import select
from reprun.errors import SpecificationError
from reprun.history import rows
from reprun.history.database import FILE, opened
from reprun.history.model import Entry, Run, State
from reprun.report.badge import COLOURS, MARGIN, SIZE, Badge, Standing, badge
from reprun.report.marks import LOOKS
from reprun.report.model import report_json
from reprun.runs.cell import load_planned_cell
from reprun.runs.request import RunRequest
from reprun.runs.standing import Asked, standings, standings_of_all
from tests.history_support import GOOD, report_of
from tests.unit import builders

NOW = dt.datetime(2026, 3, 10, 6, tzinfo=dt.UTC)
RAN = dt.datetime(2026, 3, 2, 3, tzinfo=dt.UTC)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose example has not run."""
    monkeypatch.delenv("REPRUN_PROJECT", raising=False)
    found = Project.find(init_project(tmp_path / "mine", None).directory)
    monkeypatch.chdir(found.root)
    return found


def ran(project: Project, *, bad: tuple[str, ...] = (), **changes: Any) -> Path:
    """Leave what a run of the example leaves; return its directory."""
    selection = select(project, EXAMPLE)
    cell = load_planned_cell(RunRequest(selection))
    provenance: dict[str, str | int | float] = {EVALUATED_BY: cell.evaluated_by()}
    report = report_json(report_of(GOOD, bad).model_copy(update={"provenance": provenance}))
    given = {
        "analysis": EXAMPLE,
        "variant": selection.variant,
        "dataset": selection.dataset,
        "started": RAN,
        "finished": RAN,
        "inputs": cell.plan.inputs,
        "reports": {REPORT_JSON: sha256_bytes(report.encode())},
    }
    selection.run_directory.mkdir(parents=True, exist_ok=True)
    write_record(builders.record(**{**given, **changes}), selection.run_directory)
    (selection.run_directory / REPORT_JSON).write_text(report)
    return selection.run_directory


def drawn(project: Project, **asked: Any) -> Badge:
    return badge(EXAMPLE, standings(project, EXAMPLE, Asked(NOW, **asked)))


def said(project: Project, **asked: Any) -> tuple[str, str]:
    found = drawn(project, **asked)
    return found.banner, found.message


def test_states_of_a_run(project: Project) -> None:
    assert said(project) == ("pending", "not run")
    ran(project)
    assert said(project) == ("good", "reproduced on 2026-03-02")
    ran(project, bad=("m4l",))
    assert said(project) == ("bad", "not reproduced")
    ran(project, status="failed", reports={})
    assert said(project) == ("bad", "no verdict: failed")
    ran(project, reports={})
    assert said(project) == ("pending", "no verdict")


def test_a_report_that_is_not_as_it_was_sealed(project: Project) -> None:
    path = ran(project, bad=("m4l",)) / REPORT_JSON
    path.write_text(path.read_text().replace("not reproduced", "reproduced"))
    assert said(project) == ("pending", "no verdict")
    path.unlink()
    assert said(project) == ("pending", "no verdict")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("code/fill.py", "inputs changed since"),
        ("Snakefile", "inputs changed since"),
        ("reference/yields.csv", "comparison changed since"),
    ],
)
@pytest.mark.parametrize("bad", [(), ("m4l",)])
def test_what_changed_since_is_grey(
    project: Project, file: str, words: str, bad: tuple[str, ...]
) -> None:
    ran(project, bad=bad)
    with (project.analyses / EXAMPLE / file).open("a") as stream:
        stream.write("\n")
    verdict = "not reproduced" if bad else "reproduced"
    assert said(project) == ("pending", f"{verdict} on 2026-03-02, {words}")
    if words == "inputs changed since":
        assert drawn(project).cells[0].why == file


def test_a_run_with_other_parameters_is_none_of_the_analysis(project: Project) -> None:
    cell = load_planned_cell(RunRequest(select(project, EXAMPLE)))
    ran(project, inputs=cell.plan.inputs.model_copy(update={"parameters": {"bins": 3}}))
    assert said(project) == ("pending", "reproduced on 2026-03-02, inputs changed since")


def test_age(project: Project) -> None:
    ran(project)
    assert said(project, most=dt.timedelta(days=9))[0] == "good"
    assert said(project, most=dt.timedelta(days=8)) == (
        "pending",
        "reproduced on 2026-03-02, more than 8 days ago",
    )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("failed", ("bad", "no verdict: failed")),
        ("interrupted", ("bad", "no verdict: failed")),
        ("not run", ("pending", "not run")),
        ("nothing to compare", ("pending", "no verdict")),
    ],
)
def test_a_later_night_without_a_verdict_is_what_counts(
    project: Project, state: State, expected: tuple[str, str]
) -> None:
    ran(project)
    selection = select(project, EXAMPLE)
    with opened(project.results / FILE) as database, database.transaction():
        for day in (-1, 1):
            run = Run(
                at=RAN + dt.timedelta(days=day),
                analysis=EXAMPLE,
                variant=selection.variant,
                dataset=selection.dataset or "",
                image="columnar",
                state=state,
                ran=False,
                sentence="runc is missing",
            )
            rows.add(database, Entry(run=run))
            if day < 0:
                assert run.at < RAN
    assert said(project) == expected
    assert drawn(project).cells[0].why == "runc is missing"
    ran(project, started=RAN + dt.timedelta(days=2), finished=RAN + dt.timedelta(days=2))
    assert said(project) == ("good", "reproduced on 2026-03-04")


def test_an_analysis_that_cannot_be_read_is_seen_in_the_badge_of_all(project: Project) -> None:
    ran(project)
    assert badge("reprun", standings_of_all(project, Asked(NOW))).banner == "good"
    (project.analyses / "other").mkdir()
    (project.analyses / "other" / "analysis.yaml").write_text("name: [")
    found = badge("reprun", standings_of_all(project, Asked(NOW)))
    assert (found.banner, found.message) == ("bad", "1 of 2 no verdict: failed")


def test_a_variant_that_may_be_left_out(project: Project) -> None:
    document = project.analyses / EXAMPLE / "analysis.yaml"
    text = document.read_text()
    own = "  columnar: {image: columnar}\n"
    more = f"{own}  newer: {{image: columnar, optional: licensed software}}\n"
    document.write_text(text.replace(own, more, 1))
    assert said(project) == ("pending", "not run")
    ran(project)
    assert said(project) == ("good", "reproduced on 2026-03-02")
    asked = standings(project, EXAMPLE, Asked(NOW), "newer")
    assert badge(EXAMPLE, asked).message == "not run"
    document.write_text(document.read_text().replace(", optional: licensed software", ""))
    ran(project)
    assert said(project) == ("pending", "1 of 2 not run")


# -- of several cells -------------------------------------------------------------------------

GREEN = Standing("a", "x", "reproduced", "2026-03-02")
LATER = Standing("a", "y", "reproduced", "2026-03-09")
STALE = Standing("a", "z", "reproduced", "2026-03-01", stale="inputs changed since", why="code")
OLD_RED = Standing("a", "u", "not reproduced", "2026-03-01", stale="inputs changed since")
RED = Standing("a", "v", "not reproduced", "2026-03-02")
NOT_RUN = Standing("a", "w", "not run")


@pytest.mark.parametrize(
    ("cells", "banner", "message"),
    [
        ((), "pending", "not run"),
        ((GREEN,), "good", "reproduced on 2026-03-02"),
        ((LATER, GREEN), "good", "2 of 2 reproduced on 2026-03-02"),
        ((GREEN, STALE), "pending", "1 of 2 reproduced on 2026-03-01, inputs changed since"),
        ((GREEN, NOT_RUN, STALE), "pending", "1 of 3 not run"),
        ((GREEN, OLD_RED), "pending", "1 of 2 not reproduced on 2026-03-01, inputs changed since"),
        ((NOT_RUN, RED, GREEN), "bad", "1 of 3 not reproduced"),
    ],
)
def test_the_worst_is_said(cells: tuple[Standing, ...], banner: str, message: str) -> None:
    found = badge("a", cells)
    assert (found.banner, found.message) == (banner, message)


def test_a_state_has_the_look_it_has_everywhere() -> None:
    for state, look in LOOKS.items():
        assert badge("a", [Standing("a", "x", state, "2026-03-02")]).banner == look.banner


# -- the picture ------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["cms-h4l", '<a & "b">', "an-analysis-of-some-length"])
def test_texts_are_as_wide_as_the_font_has_them(label: str) -> None:
    root = ET.fromstring(badge(label, [GREEN]).svg)
    texts = root.findall(f".//{SVG}text")
    assert [text.text for text in texts] == [label, "reproduced on 2026-03-02"]
    for text in texts:
        assert text.text is not None
        extent = TextPath((0, 0), text.text, size=SIZE).get_extents().width
        assert float(text.attrib["textLength"]) == pytest.approx(extent, abs=4)  # without bearings
    boxes = [float(box.attrib["width"]) for box in root.findall(f"{SVG}g/{SVG}rect")]
    assert sum(boxes) == float(root.attrib["width"])
    for text, box in zip(texts, boxes, strict=True):
        assert float(text.attrib["textLength"]) + 2 * MARGIN == pytest.approx(box, abs=1)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_white_can_be_read_on_each_colour() -> None:
    for colour in (*COLOURS.values(), "#40474f"):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_nothing_is_fetched_or_run() -> None:
    svg = badge("a", [GREEN, RED]).svg
    for word in ("href", "script", "url(http", "@import", "<image", "style"):
        assert word not in svg


# -- the command ------------------------------------------------------------------------------


def test_the_command_writes_what_it_says(project: Project) -> None:
    ran(project, bad=("m4l",))
    done = CliRunner().invoke(program(), ["badge", EXAMPLE, "-o", "b.svg"])
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            "dimuon: not reproduced",
            "   dimuon/columnar: not reproduced on 2026-03-02",
        ],
    )
    assert "not reproduced" in (project.root / "b.svg").read_text()


@pytest.mark.parametrize("arguments", [[], [EXAMPLE, "--all"], ["--all", "--variant", "columnar"]])
def test_of_what_a_badge_is(project: Project, arguments: list[str]) -> None:
    error = CliRunner().invoke(program(), ["badge", *arguments]).exception
    assert isinstance(error, SpecificationError)
    assert error.hint == "reprun badge --all -o reprun.svg"

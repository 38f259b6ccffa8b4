"""The page of a REANA project: the plots among its outputs, shown or linked."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.reana.local.page import render_page
from reprun.reana.local.report import OutputResult, ProjectReport
from tests.reana_evidence import START, evidence


def report(*outputs: OutputResult) -> ProjectReport:
    return ProjectReport(
        project="demo",
        specification="reana.yaml",
        workflow="serial",
        status="passed",
        sentence="✓ passed: it is",
        deviations=(),
        notes=(),
        tests_read_by="reprun",
        outputs=outputs,
        scenarios=(),
        steps=(),
        started=START,
        finished=START,
    )


PLOT = OutputResult(path="plot.png", kind="file", present=True, size=2048)
DATA = OutputResult(path="data", kind="directory", present=True, size=1, files=1)


def test_pictures_are_shown_and_pdfs_linked_also_of_a_directory(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    run = evidence(workspace)
    (workspace / "data" / "mass 1.PDF").write_bytes(b"%PDF-1.4")
    (workspace / "data" / "x.svg").write_bytes(b"<svg/>")
    (workspace / "data" / "empty.png").write_bytes(b"")
    (workspace / "other.pdf").write_bytes(b"%PDF-1.4")
    (workspace / "data" / "link.pdf").symlink_to("/etc/passwd")
    page = render_page(report(PLOT, DATA), run)
    assert page.count('<img src="data:image/') == 2
    assert (
        '<a href="./workspace/data/mass%201.PDF"><code>workspace/data/mass 1.PDF</code></a> '
        "(PDF, 8 bytes)" in page
    )
    for absent in ("other.pdf", "link.pdf", "empty.png"):
        assert absent not in page


def test_what_is_too_large_for_the_page_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = evidence(tmp_path / "workspace")
    monkeypatch.setattr("reprun.bounded.limits.PICTURES_BYTES", type("Limit", (), {"value": 100}))
    page = render_page(report(PLOT), run)
    assert "<img" not in page
    assert '<a href="./workspace/plot.png">' in page
    assert "too large for this page" in page


def test_an_output_that_is_not_there_has_no_picture(tmp_path: Path) -> None:
    gone = PLOT.model_copy(update={"present": False, "size": None})
    assert "<img" not in render_page(report(gone), evidence(tmp_path / "workspace"))

"""The page of a run that ended without a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.documents.record import RunRecord, read_record, write_record
from reprun.errors import OutputMissingError, ReprunError, StepFailedError, StorageError
from reprun.runs import failure as failure_module
from reprun.runs.failure import LAST_LINES, MOST_FAILED, write_failure
from tests.unit import builders


def record_of(*steps: object, **changes: object) -> RunRecord:
    return builders.record(status="failed", steps=steps, **changes)


def written(tmp_path: Path, record: RunRecord, error: ReprunError) -> str:
    """Write the page of a run into a directory; return its text."""
    selection = builders.selection(results=tmp_path)
    write_record(record, selection.run_directory)
    write_failure(selection, record, error)
    assert error.page == selection.run_directory / "report.html"
    return error.page.read_text()


def with_log(tmp_path: Path, text: bytes) -> None:
    log = builders.selection(results=tmp_path).run_directory / "logs" / "make-1.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(text)


def test_it_shows_which_step_failed_the_end_of_its_log_and_what_to_type(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(LAST_LINES + 5)]
    with_log(tmp_path, "\n".join([*lines, "KeyError: 'pt'", ""]).encode())
    bad = builders.step(exit_code=1, wildcards={"sample": "zz"})
    good = builders.step(rule="plot")
    error = StepFailedError(
        "step make failed: exit code 1\n    KeyError: 'pt'\n    x.csv is not declared", hint="vi x"
    )
    page = written(tmp_path, record_of(bad, good), error)
    assert "no verdict: step make failed: exit code 1</span>" in page
    assert "<code>vi x</code>" in page
    assert "<dt>exit code</dt><dd>4</dd>" in page
    assert page.count("KeyError: &#39;pt&#39;") == 1  # in its log, and not said again
    assert "x.csv is not declared" in page
    assert ">line 6\n" in page
    assert "line 5\n" not in page
    assert 'href="logs/make-1.log"' in page
    for command in ("logs", "shell"):
        assert builders.selection(results=tmp_path).command(command, "make-zz") in page
    assert page.count("<tr><td>") == 2


def test_what_a_log_holds_controls_nothing(tmp_path: Path) -> None:
    with_log(tmp_path, b"<script>x</script>\x1b]0;title\x07\xff\n" + b"y" * 100_000)
    page = written(tmp_path, record_of(builders.step(exit_code=1)), StepFailedError("<b>a</b>"))
    assert len(page) < 60_000
    assert "<script>" not in page
    assert "<b>a</b>" not in page
    assert "\x1b" not in page


def test_a_log_that_is_gone_and_many_failures(tmp_path: Path) -> None:
    steps = [
        builders.step(exit_code=1, wildcards={"n": str(number)})
        for number in range(MOST_FAILED + 2)
    ]
    page = written(tmp_path, record_of(*steps), StepFailedError("step make failed"))
    assert page.count("It printed nothing.") == MOST_FAILED
    assert "2 more steps failed" in page


def test_a_run_whose_outputs_cannot_be_read(tmp_path: Path) -> None:
    page = written(tmp_path, record_of(builders.step()), OutputMissingError("h.root is empty"))
    assert "no verdict: h.root is empty" in page
    assert "<h2>Step " not in page
    assert "Steps that ran" in page


def test_its_digest_is_recorded(tmp_path: Path) -> None:
    written(tmp_path, record_of(builders.step(exit_code=1)), StepFailedError("step make failed"))
    last = read_record(builders.selection(results=tmp_path).run_directory)
    assert last is not None
    assert list(last.reports) == ["report.html"]


def test_a_page_that_cannot_be_written_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(failure_module, "write_sealed", full)
    error = StepFailedError("step make failed")
    write_failure(
        builders.selection(results=tmp_path), record_of(builders.step(exit_code=1)), error
    )
    assert error.page is None

"""The steps of the last run: which are called so, what they printed, and a shell in one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprun.bounded import limits
from reprun.documents.record import write_record
from reprun.documents.selection import Selection
from reprun.engines.base import EngineStatus
from reprun.errors import EngineError, OutputMissingError, SpecificationError
from reprun.progress import Silent
from reprun.runs import shell
from reprun.runs.last_steps import last_record, log_of, steps_called
from reprun.store.store import Store
from reprun.workflow.steps import LAST
from tests.engines.fake import FakeContainer, FakeEngine
from tests.unit import builders

A = builders.step(rule="fit", wildcards={"n": "1"}, job=1, log="logs/fit-1.log")
B = builders.step(rule="fit", wildcards={"n": "2"}, job=2, log="logs/fit-2.log")
PLOT = builders.step(rule="plot", job=3, inputs={"results/h.json": None}, outputs={"out.csv": None})


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    """A run of three steps, on disk."""
    chosen = builders.selection(results=tmp_path)
    home = chosen.run_directory
    for place in ("workspace/results", "inputs/data", "logs"):
        (home / place).mkdir(parents=True)
    (home / "workspace/results/h.json").write_text("made")
    (home / "workspace/notes").write_text("kept")
    (home / "inputs/data/a.csv").write_text("given")
    (home / "logs/fit-1.log").write_bytes(b"one\xff")
    inputs = builders.inputs(code={})
    write_record(builders.record(steps=(A, B, PLOT), inputs=inputs), home)
    return chosen


def test_a_step_is_called_by_its_rule_or_with_its_wildcards(selection: Selection) -> None:
    record = last_record(selection)
    assert [one.name for one in record.steps] == ["fit-1", "fit-2", "plot"]
    assert list(steps_called(selection, record, None)) == [A, B, PLOT]
    assert list(steps_called(selection, record, "fit")) == [A, B]
    assert list(steps_called(selection, record, "fit-2")) == [B]
    with pytest.raises(
        SpecificationError, match=r"no step 'plott'. Did you mean 'plot'\? It has: "
    ):
        steps_called(selection, record, "plott")


def test_a_step_that_was_tried_again_counts_by_its_last_try(selection: Selection) -> None:
    again = B.model_copy(update={"exit_code": 1})
    record = builders.record(steps=(B, again))
    assert list(steps_called(selection, record, "fit")) == [again]


def test_logs_that_are_there_and_that_are_gone(selection: Selection) -> None:
    assert log_of(selection, A).text == "one\ufffd"
    with pytest.raises(OutputMissingError, match="log of step fit-2"):
        log_of(selection, B)


def test_of_a_long_log_the_end_is_given(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SHOWN_LOG_BYTES", replace(limits.SHOWN_LOG_BYTES, value=4))
    path = selection.run_directory / "logs/fit-1.log"
    path.write_bytes(b"0123456789")
    found = log_of(selection, A)
    assert (found.text, found.left_out) == ("6789", 6)
    assert found.cut == f"[6 bytes before this are left out: less {path}]"
    path.write_bytes(b"0123")
    assert log_of(selection, A).cut == ""


@pytest.mark.parametrize("log", ["/etc/passwd", "../secret", "logs/link", "logs/pipe", "logs"])
def test_no_record_has_another_file_shown_as_a_log(selection: Selection, log: str) -> None:
    home = selection.run_directory
    (home.parent / "secret").write_text("not for others")
    (home / "logs/link").symlink_to("../../secret")
    os.mkfifo(home / "logs/pipe")
    with pytest.raises(OutputMissingError, match="cannot read the log of step fit-1: "):
        log_of(selection, A.model_copy(update={"log": log}))


def test_where_nothing_has_run_the_next_command_is_named(tmp_path: Path) -> None:
    chosen = builders.selection(results=tmp_path)
    with pytest.raises(SpecificationError, match="has not run here") as raised:
        last_record(chosen)
    assert raised.value.hint == chosen.command("run")
    write_record(builders.record(steps=(), status="interrupted"), _made(chosen.run_directory))
    with pytest.raises(SpecificationError, match="interrupted in its last run before"):
        last_record(chosen)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


# -- a shell --------------------------------------------------------------------------------------


class Played:
    """The fake engine in the place of a real one."""

    def __init__(self, selection: Selection, store: Store) -> None:
        self.engine = FakeEngine()
        self.selection = selection
        self.store = store

    def run(self, command: tuple[str, ...], program: Any, step: str | None = None) -> int:
        self.engine.register(("bash", "-c", shlex.join(command) + LAST), program)
        request = shell.ShellRequest(self.selection, step, command)
        _, result = shell.run_in_step(request, self.store, Silent(), stdout=_drop, stderr=_drop)
        return result.exit_code


def _drop(_: bytes) -> None:
    pass


@pytest.fixture
def played(
    selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Played]:
    store = Store(tmp_path / "store")
    room = Played(selection, store)

    @contextmanager
    def alone(*_: object) -> Iterator[int]:
        yield 0

    monkeypatch.setattr(shell, "ensure", lambda *_: builders.image())
    monkeypatch.setattr(shell, "alone", alone)
    monkeypatch.setattr(shell, "choose_engine", lambda *_: (room.engine, EngineStatus("fake", "0")))
    before = _files(selection.run_directory)
    yield room
    assert _files(selection.run_directory) == before


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_command_sees_what_the_step_saw_and_changes_nothing(played: Played) -> None:
    def program(container: FakeContainer) -> int:
        assert container.host_path("/work/data/a.csv", writing=False).read_text() == "given"
        assert container.host_path("/work/results/h.json", writing=False).read_text() == "made"
        for path in ("/work/data/a.csv", "/work/results/h.json"):
            with pytest.raises(OSError, match="Read-only"):
                container.write(path, "other")
        container.write("/work/notes", "other")
        container.write("/work/more", "more")
        with pytest.raises(OSError, match="unreachable"):
            container.connect()
        return 7

    assert played.run(("look", "at it"), program, "plot") == 7
    job = played.engine.jobs[0]
    assert job.limits.memory_bytes == PLOT.memory_limit_bytes
    assert job.limits.seconds is None
    assert not job.terminal


def test_without_a_step_it_is_the_one_that_failed_or_else_the_last(selection: Selection) -> None:
    request = shell.ShellRequest(selection)
    assert shell.step_meant(request, builders.record(steps=(A, B, PLOT))) == PLOT
    failed = A.model_copy(update={"exit_code": 1})
    assert shell.step_meant(request, builders.record(steps=(failed, B, PLOT))) == failed


def test_a_rule_of_several_steps_is_not_one(selection: Selection) -> None:
    with pytest.raises(SpecificationError, match="rule fit has 2 steps: fit-1, fit-2") as raised:
        shell.step_meant(shell.ShellRequest(selection, "fit"), builders.record(steps=(A, B)))
    assert raised.value.hint == selection.command("shell", "fit-1")


def test_a_shell_has_the_terminal(played: Played) -> None:
    played.engine.register(shell.INTERACTIVE, lambda container: int(not container.job.terminal))
    request = shell.ShellRequest(played.selection)
    _, result = shell.run_in_step(request, played.store, Silent(), stdout=_drop, stderr=_drop)
    assert result.exit_code == 0
    played.engine.converses = False
    with pytest.raises(EngineError, match="no terminal"):
        shell.run_in_step(request, played.store, Silent(), stdout=_drop, stderr=_drop)

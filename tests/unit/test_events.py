"""Events: whole lines only, in order, and errors that stay what they are."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from reprun.documents.record import StepRecord
from reprun.errors import ReprunError
from reprun.workflow.events import EventReader, EventWriter, error_of
from tests.unit import builders


def test_what_is_written_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "events"
    writer, reader = EventWriter(path), EventReader(path)
    assert list(reader.new()) == []
    writer.planned(2)
    writer.started("c0", "make", "make (year=2012)")
    assert list(reader.new()) == [
        {"event": "planned", "steps": 2},
        {"event": "started", "cell": "c0", "rule": "make", "label": "make (year=2012)"},
    ]
    assert list(reader.new()) == []
    writer.ended("", builders.step())
    (event,) = reader.new()
    assert StepRecord.model_validate(event["step"]) == builders.step()


def test_a_line_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "events"
    reader = EventReader(path)
    whole = json.dumps({"event": "ä"}, ensure_ascii=False).encode() + b"\n"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert list(reader.new()) == []
    path.write_bytes(whole)
    assert list(reader.new()) == [{"event": "ä"}]


def test_a_reader_that_stops_early_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events"
    writer, reader = EventWriter(path), EventReader(path)
    writer.planned(1)
    writer.planned(2)
    assert next(reader.new())["steps"] == 1
    assert [event["steps"] for event in reader.new()] == [2]


def test_several_threads_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    writer = EventWriter(path)

    def write() -> None:
        for _ in range(20):
            writer.ended("", builders.step())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(EventReader(path).new())) == 80


def test_a_writer_without_a_file_drops_events() -> None:
    EventWriter(None).planned(1)


@pytest.mark.parametrize("kind", [ReprunError, *ReprunError.__subclasses__()])
def test_an_error_stays_what_it_is(tmp_path: Path, kind: type[ReprunError]) -> None:
    path = tmp_path / "events"
    EventWriter(path).refused("", kind("what", place="where", hint="do this"))
    (event,) = EventReader(path).new()
    error = error_of(event)
    assert type(error) is kind
    assert (error.message, error.place, error.hint) == ("what", "where", "do this")


def test_an_unknown_kind_is_an_error_all_the_same() -> None:
    error = error_of({"kind": "NoSuchError", "message": "what", "place": None, "hint": None})
    assert type(error) is ReprunError

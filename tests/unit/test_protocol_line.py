"""The line between Snakemake and the supervisor: whole documents, and errors of their kind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprun.errors import BackendError, ReprunError
from reprun.workflow.planned import PlannedStep
from reprun.workflow.protocol import Answer, Line, Plan, Problem, Run, call, listening
from tests.unit import builders

STEP = builders.planned(builders.step(wildcards={"year": "2012"}))


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    """The two ends of one socket: Snakemake's and the supervisor's."""
    here, there = (Line(one) for one in socket.socketpair())
    yield here, there
    here.close()
    there.close()


@pytest.fixture
def raw() -> Iterator[tuple[socket.socket, Line]]:
    """A socket that anything can be written to, and the supervisor's end of it."""
    here, there = socket.socketpair()
    line = Line(there)
    yield here, line
    here.close()
    line.close()


def test_what_is_asked_arrives_in_order(ends: tuple[Line, Line]) -> None:
    snakemake, supervisor = ends
    asked = [Plan(steps=(STEP,), needed=(STEP.key,)), Run(key=STEP.key)]
    for document in asked:
        snakemake.send(document)
    snakemake.close()
    assert list(supervisor.requests()) == asked


def test_what_is_answered_arrives_in_order(ends: tuple[Line, Line]) -> None:
    snakemake, supervisor = ends
    answered = [Answer(), Answer(key=STEP.key), Answer(go_on=False)]
    for document in answered:
        supervisor.send(document)
    supervisor.close()
    assert list(snakemake.answers()) == answered


@pytest.mark.parametrize("rule", ["ä", "make"])
def test_a_line_that_was_cut_off_is_not_read(raw: tuple[socket.socket, Line], rule: str) -> None:
    far, line = raw
    whole = Run(key=rule).model_dump_json().encode() + b"\n"
    far.sendall(whole + whole[:-1])
    far.shutdown(socket.SHUT_WR)
    assert list(line.requests()) == [Run(key=rule)]


def test_a_line_that_comes_in_pieces_is_read_whole(raw: tuple[socket.socket, Line]) -> None:
    far, line = raw
    requests = line.requests()

    def send() -> None:
        for byte in Run(key="ä").model_dump_json().encode() + b"\n":
            far.sendall(bytes([byte]))

    thread = threading.Thread(target=send)
    thread.start()
    assert next(requests) == Run(key="ä")
    thread.join()


@pytest.mark.parametrize(
    "text", ["", "no json", "{}", '{"say": "stop"}', '{"say": "run"}', '{"say": "run", "key": 1}']
)
def test_what_is_not_in_the_protocol_is_refused(raw: tuple[socket.socket, Line], text: str) -> None:
    far, line = raw
    far.sendall(f"{text}\n".encode())
    with pytest.raises(BackendError, match="asks for what the protocol does not know"):
        next(line.requests())


def test_several_threads_send_whole_lines(ends: tuple[Line, Line]) -> None:
    snakemake, supervisor = ends
    long = PlannedStep(rule="make", command="x" * 10_000, container=None)

    def send() -> None:
        for _ in range(20):
            snakemake.send(Plan(steps=(long,), needed=()))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    requests = supervisor.requests()
    assert [next(requests) for _ in range(80)] == [Plan(steps=(long,), needed=())] * 80
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("kind", [ReprunError, *ReprunError.__subclasses__()])
def test_an_error_stays_what_it_is(ends: tuple[Line, Line], kind: type[ReprunError]) -> None:
    snakemake, supervisor = ends
    problem = Problem.of(kind("what", place="where", hint="do this"))
    supervisor.send(Answer(key="k", problem=problem))
    answer = next(snakemake.answers())
    assert answer.problem is not None
    error = answer.problem.error()
    assert type(error) is kind
    assert (error.message, error.place, error.hint) == ("what", "where", "do this")


@pytest.mark.parametrize("kind", ["NoSuchError", "ExitCode", "difflib"])
def test_an_unknown_kind_is_an_error_all_the_same(kind: str) -> None:
    error = Problem(kind=kind, message="what").error()
    assert type(error) is ReprunError


def test_a_socket_may_have_a_longer_path_than_the_kernel_takes(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 100) / ("e" * 100) / "socket"
    path.parent.mkdir(parents=True)
    with listening(path) as listener:
        snakemake = call(path)
        connection, _ = listener.accept()
        supervisor = Line(connection)
        snakemake.send(Run(key="a"))
        snakemake.close()
        assert list(supervisor.requests()) == [Run(key="a")]
        supervisor.close()


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        call(tmp_path / "socket")

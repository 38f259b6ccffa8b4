"""What Snakemake may ask for, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_bytes
from reprun.engines.base import MIB
from reprun.errors import (
    BackendError,
    IntegrityError,
    SpecificationError,
    StepFailedError,
    UnforeseenError,
)
from reprun.images.catalogue.catalogue import Catalogue
from reprun.store.store import Store
from reprun.workflow import steps as steps_module
from reprun.workflow import supervisor as supervisor_module
from reprun.workflow.evidence import failed_of, lack_of_steps
from reprun.workflow.planned import MOST_TRIES, PlannedStep, Try, WorkflowPlan
from reprun.workflow.steps import LAST, STRICT
from reprun.workflow.supervisor import Cores, Supervisor, Surroundings
from reprun.workflow.workspace import Given, Workspace
from tests.engines.fake import FakeContainer, FakeEngine
from tests.unit import builders

IMAGE = builders.image()


class Room:
    """A supervisor over the fake engine."""

    def __init__(self, home: Path) -> None:
        self.engine = FakeEngine()
        (home / "workspace").mkdir()
        (home / "inputs").mkdir()
        (home / "inputs" / "given.csv").write_text("given")
        self.workspace = Workspace(
            home / "workspace", Given(home / "inputs", {"given.csv": builders.digest("c")})
        )
        self.around = Surroundings(
            engine=self.engine, store=Store(home / "store"), images=(), logs=home / "logs"
        )

    def supervisor(self, expected: WorkflowPlan | None = None) -> Supervisor:
        return Supervisor(
            self.workspace,
            self.around,
            cores=Cores(2),
            cancelled=threading.Event(),
            expected=expected,
        )

    def program(self, command: str, run: Callable[[FakeContainer], int]) -> None:
        self.engine.register(("bash", "-c", STRICT + command + LAST), run)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(Catalogue, "by_reference", lambda *_: IMAGE)
    monkeypatch.setattr(supervisor_module, "ensure", lambda image, *_: image)
    return Room(tmp_path)


def step(**changes: Any) -> PlannedStep:
    fields = {"rule": "make", "command": "make it", "container": "columnar", "outputs": ("made",)}
    return PlannedStep.model_validate(fields | changes)


def makes(container: FakeContainer) -> int:
    container.write("/work/made", "text")
    return 0


def test_a_planned_step_runs_and_is_recorded(room: Room) -> None:
    room.program("make it", makes)
    supervisor = room.supervisor()
    supervisor.take_plan([step()])
    record = supervisor.run(step().key)
    assert record.outputs == {"made": sha256_bytes(b"text")}
    assert supervisor.records == [record]


def test_it_is_known_which_steps_run_and_for_how_long(room: Room) -> None:
    supervisor = room.supervisor()
    seen = []

    def program(container: FakeContainer) -> int:
        seen.extend(supervisor.at_work())
        return makes(container)

    room.program("make it", program)
    planned = step(wildcards={"n": "1"})
    supervisor.take_plan([planned])
    supervisor.run(planned.key)
    [(name, seconds)] = seen
    assert name == "make-1"
    assert 0 <= seconds < 60
    assert supervisor.at_work() == []


@pytest.mark.parametrize("key", ["", "[]", '["make",{"n":"1"}]', '["other",{}]'])
def test_nothing_else_can_be_asked_for(room: Room, key: str) -> None:
    supervisor = room.supervisor()
    with pytest.raises(BackendError, match="not planned"):
        supervisor.run(step().key)
    supervisor.take_plan([step()])
    with pytest.raises(BackendError, match="not planned"):
        supervisor.run(key)
    assert supervisor.records == []


def test_a_plan_cannot_change_once_it_is_taken(room: Room) -> None:
    supervisor = room.supervisor()
    supervisor.take_plan([step()])
    for other in (step(command="rm -rf /"), step(rule="more"), step(outputs=("else",))):
        with pytest.raises(IntegrityError, match="now plans rule"):
            supervisor.take_plan([other])
    expected = room.supervisor(WorkflowPlan(steps=(step(),)))
    with pytest.raises(IntegrityError, match="now plans rule"):
        expected.take_plan([step(command="id")])


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": ("../made",)},
        {"outputs": ("/made",)},
        {"logs": ("a/../../b",)},
        {"benchmark": "/b"},
        {"inputs": ("/etc/passwd",)},
        {"outputs": ("given.csv",)},
        {"container": None},
        {"container": ""},
        {"command": ""},
        {"rule": "../x"},
        {"rule": "a b"},
        {"rule": ".hidden"},
        {"fault": "uses run:"},
        {"memory_mb": 0},
        {"memory_mb": 5},
        {"minutes": 0},
        {"tries": (Try(command="make it", memory_mb=1),)},
    ],
)
def test_what_a_plan_may_not_hold(room: Room, changes: dict[str, Any]) -> None:
    supervisor = room.supervisor()
    with pytest.raises(SpecificationError):
        supervisor.take_plan([step(**changes)])
    assert supervisor.error is not None


def test_a_step_that_leaves_nothing_fails_and_may_be_tried_again(room: Room) -> None:
    tries: Iterator[Callable[[FakeContainer], int]] = iter((lambda _: 0, makes))

    def program(container: FakeContainer) -> int:
        return next(tries)(container)

    room.program("make it", program)
    supervisor = room.supervisor()
    supervisor.take_plan([step()])
    with pytest.raises(StepFailedError, match="it left no made"):
        supervisor.run(step().key)
    assert supervisor.run(step().key).succeeded
    assert supervisor.error is None
    assert [record.succeeded for record in supervisor.records] == [False, True]


def test_each_try_runs_as_it_was_planned(room: Room) -> None:
    again = (Try(command="make more", memory_mb=200), Try(command="make most", memory_mb=300))
    planned = step(memory_mb=100, tries=again)
    for command, program in (("make it", None), ("make more", None), ("make most", makes)):
        room.program(command, program or (lambda _: 1))
    supervisor = room.supervisor()
    supervisor.take_plan([planned])
    for _ in range(2):
        with pytest.raises(StepFailedError):
            supervisor.run(planned.key)
    assert supervisor.run(planned.key).succeeded
    assert [record.command for record in supervisor.records] == [
        "make it",
        "make more",
        "make most",
    ]
    assert [job.limits.memory_bytes for job in room.engine.jobs] == [
        n * MIB for n in (100, 200, 300)
    ]
    plan = supervisor.plan
    assert lack_of_steps(plan, supervisor.records, "log", "again") is None
    assert not failed_of(supervisor.records)


LATER: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "memory by the size of an input": ({}, {"memory_mb": 200, "minutes": 3.0}, True),
    "a number not known yet": ({"command": "fit -m <TBD>"}, {"command": "fit -m 180"}, True),
    "two of them": ({"command": "f <TBD> <TBD>m"}, {"command": "f 1 20m"}, True),
    "something else than a number": ({"command": "f <TBD>"}, {"command": "f 1;rm"}, False),
    "no number": ({"command": "f <TBD>"}, {"command": "f "}, False),
    "another command": ({"command": "f <TBD>"}, {"command": "g 12"}, False),
    "a number in its place": ({"command": "f 10"}, {"command": "f 11"}, False),
    "another try": ({}, {"tries": (Try(command="other"),)}, False),
    "another input": ({}, {"inputs": ("other",)}, False),
    "another output": ({}, {"outputs": ("other",)}, False),
    "other cores": ({}, {"threads": 2}, False),
    "another image": ({}, {"container": "other"}, False),
}


@pytest.mark.parametrize("case", LATER)
def test_what_follows_from_sizes_of_inputs_may_be_known_later(room: Room, case: str) -> None:
    before, after, taken = LATER[case]
    supervisor = room.supervisor()
    supervisor.take_plan([step(**before)])
    if not taken:
        with pytest.raises(IntegrityError, match="now plans rule"):
            supervisor.take_plan([step(**before | after)])
        return
    supervisor.take_plan([step(**before | after)])
    room.program(after.get("command", "make it"), makes)
    assert supervisor.run(step().key).succeeded
    assert lack_of_steps(supervisor.grown, supervisor.records, "log", "again") is None
    assert lack_of_steps(supervisor.plan, supervisor.records, "log", "again") is None


def test_tries_have_an_end(room: Room) -> None:
    room.program("make it", lambda _: 1)
    supervisor = room.supervisor()
    supervisor.take_plan([step()])
    for _ in range(MOST_TRIES):
        with pytest.raises(StepFailedError):
            supervisor.run(step().key)
    with pytest.raises(BackendError, match="was tried"):
        supervisor.run(step().key)


def test_what_nobody_foresaw_is_the_error_of_the_run(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RecursionError("too deep")

    supervisor = room.supervisor()
    supervisor.take_plan([step()])
    monkeypatch.setattr(room.workspace, "lay_out", full)
    with pytest.raises(RecursionError):
        supervisor.run(step().key)
    assert isinstance(supervisor.error, UnforeseenError)


def test_cores_are_shared() -> None:
    cores, cancelled = Cores(2), threading.Event()
    with cores.taken(9, cancelled):
        waiting = threading.Thread(target=lambda: cores.taken(1, cancelled).__enter__())
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_step_that_needs_many_cores_is_not_passed_by() -> None:
    cores, cancelled = Cores(2), threading.Event()
    order: list[str] = []

    def take(name: str, wanted: int) -> threading.Thread:
        def hold() -> None:
            with cores.taken(wanted, cancelled):
                order.append(name)

        thread = threading.Thread(target=hold)
        thread.start()
        thread.join(0.3)
        return thread

    with cores.taken(1, cancelled):
        waiting = [take("large", 2), take("small", 1)]
        assert order == []
    for thread in waiting:
        thread.join(5)
    assert order == ["large", "small"]


def test_who_is_cancelled_takes_no_cores() -> None:
    cores, cancelled = Cores(2), threading.Event()
    cancelled.set()
    with ExitStack() as held:
        with cores.taken(2, threading.Event()):
            held.enter_context(cores.taken(2, cancelled))
        waiting = threading.Thread(target=lambda: cores.taken(2, threading.Event()).__enter__())
        waiting.daemon = True
        waiting.start()
        waiting.join(5)
        assert not waiting.is_alive()


def test_a_step_gets_no_more_than_there_is(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "memory_of_this_host", lambda: 3000 * MIB)
    room.program("make it", makes)
    supervisor = room.supervisor()
    greedy = step(threads=4096, memory_mb=10**12)
    supervisor.take_plan([greedy])
    record = supervisor.run(greedy.key)
    assert (record.cpus, record.memory_limit_bytes) == (2.0, 3000 * MIB)
    (job,) = room.engine.jobs
    assert (job.limits.cpus, job.limits.memory_bytes) == (2.0, 3000 * MIB)

"""The engine asked for, or the first that answers; else what each one lacks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from reprun.cli.options import Engine
from reprun.engines import choose
from reprun.engines.base import ContainerEngine, EngineStatus
from reprun.engines.choose import (
    CHOICES,
    ENGINES,
    EngineName,
    choose_engine,
    engine_choice,
    make_engine,
    sweep,
)
from reprun.engines.containers import Containers
from reprun.engines.docker import DockerEngine
from reprun.engines.notes import NOTES, noted
from reprun.engines.runc import RuncEngine
from reprun.errors import EngineError, IntegrityError, SpecificationError
from reprun.store.store import Store
from tests.engines.fake import FakeEngine
from tests.store_support import of_a_killed_process


@dataclass
class Absent(FakeEngine):
    """An engine that is not there."""

    error: Exception | None = None

    def self_check(self) -> EngineStatus:
        if self.error is not None:
            raise self.error
        return super().self_check()


@pytest.fixture
def own(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Absent]:
    """Engines under the real names, all of them there."""
    made: dict[str, Absent] = {name: Absent(name) for name in ENGINES}

    def make(name: EngineName, _: Store) -> ContainerEngine:
        return made[name]

    monkeypatch.setattr(choose, "make_engine", make)
    return made


def test_auto_takes_the_first(engines: dict[str, Absent], own: Store) -> None:
    engine, status = choose_engine("auto", own)
    assert engine is engines["runc"]
    assert status == EngineStatus("runc", "0")


def test_auto_takes_the_next_where_the_first_is_not_there(
    engines: dict[str, Absent], own: Store
) -> None:
    engines["runc"].error = EngineError("runc is not installed")
    assert choose_engine("auto", own)[0] is engines["docker"]


def test_no_engine_at_all_says_what_each_lacks(engines: dict[str, Absent], own: Store) -> None:
    for name, engine in engines.items():
        engine.error = EngineError(f"{name} is asleep")
    with pytest.raises(EngineError) as error:
        choose_engine("auto", own)
    assert error.value.message == (
        "no container engine can be used (runc: runc is asleep; docker: docker is asleep)"
    )
    assert str(error.value.hint).startswith("apt-get install runc")


def test_a_named_engine_is_not_replaced(engines: dict[str, Absent], own: Store) -> None:
    engines["runc"].error = EngineError("runc is not installed", hint="apt-get install runc")
    with pytest.raises(EngineError, match="runc is not installed"):
        choose_engine("runc", own)
    assert choose_engine("docker", own)[0] is engines["docker"]


def test_any_other_error_is_not_taken_for_an_absent_engine(
    engines: dict[str, Absent], own: Store
) -> None:
    engines["runc"].error = IntegrityError("changed")
    with pytest.raises(IntegrityError):
        choose_engine("auto", own)


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_made_and_known_by_its_name(name: EngineName, own: Store) -> None:
    assert make_engine(name, own).name == name
    assert engine_choice(name) == name


def test_the_choices_are_the_engines_and_auto() -> None:
    assert ("auto", *ENGINES) == CHOICES == get_args(Engine)
    with pytest.raises(SpecificationError, match=r"no engine 'dokcer'\. Did you mean 'docker'"):
        engine_choice("dokcer")


def test_the_list_names_what_make_engine_makes(own: Store) -> None:
    with pytest.raises(AssertionError):
        make_engine("fake", own)  # type: ignore[arg-type]


def test_runc_is_made_without_docker(own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    assert isinstance(make_engine("runc", own), RuncEngine)


@pytest.mark.parametrize("place", ["runc/bundles", "runc/state"])
def test_a_container_of_a_killed_process_is_removed_whatever_there_is_of_it(
    own: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one there is an empty bundle; another came up only when its bundle was gone."""
    commands: list[list[str]] = []

    def runc(command: list[str], **_: object) -> None:
        commands.append(command[-3:])

    monkeypatch.setattr("reprun.engines.containers.subprocess.run", runc)
    monkeypatch.setattr("reprun.engines.containers._program", lambda: "runc")
    name = of_a_killed_process("reprun-")
    (own.directory(place) / name).mkdir()
    with Containers(own).bundle({}) as alive:
        assert sweep(own) == [name]
        assert alive.path.is_dir()
    assert commands == ([["delete", "--force", name]] if place == "runc/state" else [])


def test_a_daemon_is_asked_where_a_note_is_left(
    own: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = True

    def swept(engine: DockerEngine) -> list[str]:
        asked.append(engine._address)
        if not answers:
            raise EngineError("no Docker daemon answers")
        return ["left"]

    monkeypatch.setattr(DockerEngine, "sweep", swept)
    with noted(own, "tcp://alive"):
        assert sweep(own) == []
    assert asked == []
    notes = own.directory(NOTES)
    for number in range(2):
        (notes / of_a_killed_process(f"{number}-")).write_text("tcp://there")
    (notes / of_a_killed_process("gone-")).write_text(f"unix://{own.root / 'no.sock'}")
    answers = False
    assert sweep(own) == []
    assert len(list(notes.iterdir())) == 3
    answers = True
    assert sweep(own) == ["left"]
    assert sweep(own) == []
    assert asked == ["tcp://there"] * 2

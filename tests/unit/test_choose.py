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
)
from reprun.engines.runc import RuncEngine
from reprun.errors import EngineError, IntegrityError, SpecificationError
from reprun.store.store import Store
from tests.engines.fake import FakeEngine


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

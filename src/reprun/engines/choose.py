"""Which engine runs: the one asked for, or the first whose self-check passes."""

from __future__ import annotations

from typing import Literal, assert_never

from reprun.engines.base import ContainerEngine, EngineStatus
from reprun.errors import EngineError
from reprun.store.store import Store

EngineName = Literal["runc", "docker"]
ENGINES: tuple[EngineName, ...] = ("runc", "docker")


def make_engine(name: EngineName, store: Store) -> ContainerEngine:
    """Return an engine by name, unchecked."""
    match name:
        case "runc":
            from reprun.engines.runc import RuncEngine  # noqa: PLC0415

            return RuncEngine(store)
        case "docker":
            # The SDK takes a quarter of a second to import: only who needs it pays.
            from reprun.engines.docker import DockerEngine  # noqa: PLC0415

            return DockerEngine(store)
        case _:
            assert_never(name)


def choose_engine(
    wanted: EngineName | Literal["auto"], store: Store
) -> tuple[ContainerEngine, EngineStatus]:
    """Return an engine that answered its self-check, and its answer.

    Raises EngineError that names what each tried engine lacked.
    """
    if wanted != "auto":
        engine = make_engine(wanted, store)
        return engine, engine.self_check()
    complaints: list[str] = []
    for name in ENGINES:
        engine = make_engine(name, store)
        try:
            return engine, engine.self_check()
        except EngineError as error:
            complaints.append(f"{name}: {error.message}")
    raise EngineError(
        "no container engine can be used (" + "; ".join(complaints) + ")",
        hint="apt-get install runc   # or install Docker and start its daemon",
    )

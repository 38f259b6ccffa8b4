"""Which engine runs: the one asked for, or the first whose self-check passes.

The one list of engines. A new one is a name in `EngineName` and a case in `make_engine`, which
the type checker asks for; options, doctor and the contract suite follow from the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never, get_args

from reprun.errors import EngineError, SpecificationError, did_you_mean

if TYPE_CHECKING:  # the command line names engines before it needs one
    from reprun.engines.base import ContainerEngine, EngineStatus
    from reprun.store.store import Store

EngineName = Literal["runc", "docker"]
"""In the order in which `auto` tries them."""
EngineChoice = Literal["auto", EngineName]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
CHOICES: tuple[EngineChoice, ...] = get_args(EngineChoice)


def engine_choice(text: str) -> EngineChoice:
    """Return the choice that a string names; raise SpecificationError for any other."""
    for choice in CHOICES:
        if choice == text:
            return choice
    raise SpecificationError(
        f"there is no engine '{text}'{did_you_mean(text, CHOICES)}",
        hint=f"one of: {', '.join(CHOICES)}",
    )


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


def sweep(store: Store) -> list[str]:
    """Remove the containers, of every engine, whose process is gone; return their names.

    A daemon that does not answer is asked again by the next run.
    """
    # The command line imports this module for the names of the engines alone.
    from reprun.engines.containers import Containers  # noqa: PLC0415
    from reprun.engines.notes import left  # noqa: PLC0415

    swept = Containers(store).sweep()
    for address, notes in left(store).items():
        # Only where something is left: the SDK takes its time.
        from reprun.engines.docker import DockerEngine  # noqa: PLC0415

        with suppress(EngineError):
            swept += DockerEngine.at(address, store).sweep()
            for note in notes:
                note.unlink(missing_ok=True)
    return swept


def choose_engine(wanted: EngineChoice, store: Store) -> tuple[ContainerEngine, EngineStatus]:
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
        hint="apt-get install runc",
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of an engine's self-check: its answer, or why it cannot be used."""

    name: EngineName
    status: EngineStatus | None
    error: EngineError | None


def check_engines(store: Store) -> Iterator[Checked]:
    """Yield what came of the self-check of every engine."""
    for name in ENGINES:
        try:
            yield Checked(name, make_engine(name, store).self_check(), None)
        except EngineError as error:
            yield Checked(name, None, error)

"""Limits and usage of a container's control group, version 1 or 2."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path("/sys/fs/cgroup")
CPU_PERIOD_MICROSECONDS = 100_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container used; None where the host does not tell."""

    cpu_seconds: float | None
    peak_memory_bytes: int | None
    killed: bool
    """The kernel killed a process of the group for want of memory."""


def is_version_2() -> bool:
    """Tell whether the host has the unified hierarchy alone."""
    return (ROOT / "cgroup.controllers").exists()


def resources(*, cpus: float, memory: int, processes: int) -> dict[str, Any]:
    """Return the `linux.resources` part of an OCI runtime configuration."""
    limits: dict[str, Any] = {
        "pids": {"limit": processes},
        "memory": {"limit": memory},
        "cpu": {"quota": int(cpus * CPU_PERIOD_MICROSECONDS), "period": CPU_PERIOD_MICROSECONDS},
    }
    # Version 1 counts memory and swap together and refuses the figure where swap accounting
    # is off; then there is no swap to escape to.
    swap_accounting = (ROOT / "memory" / "memory.memsw.limit_in_bytes").exists()
    if is_version_2() or swap_accounting:
        limits["memory"]["swap"] = memory
    return limits


def unenforced() -> tuple[str, ...]:
    """Return the limits this host's control groups cannot set."""
    if is_version_2():
        present = (ROOT / "cgroup.controllers").read_text().split()
        wanted = {"memory limit": "memory", "CPU limit": "cpu", "process limit": "pids"}
        return tuple(label for label, name in wanted.items() if name not in present)
    wanted = {"memory limit": "memory", "CPU limit": "cpu", "process limit": "pids"}
    return tuple(label for label, name in wanted.items() if not (ROOT / name).is_dir())


def usage(cgroup: str) -> Usage:
    """Read what the group at `cgroup` (`/reprun/<id>`) has used so far."""
    name = cgroup.strip("/")
    if is_version_2():
        directory = ROOT / name
        cpu = _field(directory / "cpu.stat", "usage_usec")
        peak = _number(directory / "memory.peak")
        killed = _field(directory / "memory.events", "oom_kill")
        return Usage(None if cpu is None else cpu / 1e6, peak, bool(killed))
    cpu = _number(ROOT / "cpuacct" / name / "cpuacct.usage")
    peak = _number(ROOT / "memory" / name / "memory.max_usage_in_bytes")
    killed = _field(ROOT / "memory" / name / "memory.oom_control", "oom_kill")
    return Usage(None if cpu is None else cpu / 1e9, peak, bool(killed))


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _field(path: Path, name: str) -> int | None:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return None

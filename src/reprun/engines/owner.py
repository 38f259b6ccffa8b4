"""Who started a container, so that what a killed process left can be told and removed."""

from __future__ import annotations

import json
import os
from pathlib import Path


def _start_time(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot, or None if it is gone.

    Field 22 of /proc/PID/stat; the command name before it may hold blanks and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def this_process() -> str:
    """Return a text that names this process among all that ever ran on this machine."""
    pid = os.getpid()
    return json.dumps({"boot": _boot(), "pid": pid, "started": _start_time(pid)})


def is_gone(owner: str) -> bool:
    """Tell whether the process that wrote `owner` has ended (also: is from an earlier boot)."""
    try:
        named = json.loads(owner)
        pid = int(named["pid"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return True
    if named.get("boot") != _boot():
        return True
    started = _start_time(pid)
    return started is None or started != named.get("started")

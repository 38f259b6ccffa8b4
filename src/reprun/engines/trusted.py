"""Programs of our own that work on what others wrote, where no sandbox can be made.

With `--trust-snakefile` the user says that a Snakefile may do what any program of the user's may.
It is then executed by an ordinary process. That is given as little as a sandbox would give it:
no variable of the environment and a home directory of its own; but nothing keeps it from
looking for more.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from reprun.documents.record import TRUSTED, Sandbox
from reprun.engines.base import ContainerResult, Ending, Limits, Mount, Output
from reprun.engines.box import ENVIRONMENT, LIMITS, command_of
from reprun.files import scratch
from reprun.progress import announced

POLL_SECONDS = 0.1
CHUNK = 1 << 16
MOST_LEFT = 16
"""Chunks that are read of what a process has left in its pipe; the kernel keeps no more."""


class Trusted:
    """Starts programs of this Python environment as ordinary processes of the user."""

    sandbox: Sandbox = TRUSTED
    mounts = False

    def run(
        self,
        program: Sequence[str],
        *,
        mounts: Sequence[Mount],
        working_directory: str,
        output: Output,
        cancel: threading.Event,
        keeps: Sequence[int] = (),
        limits: Limits = LIMITS,
    ) -> ContainerResult:
        """Run a program as `Confinement.run` says.

        Nothing is mounted, and of the limits that of time is set. With the program all ends that
        it started, unless it left its session.
        """
        places = {one.target: one.source for one in mounts}
        started = time.monotonic()
        with scratch() as home:
            process = subprocess.Popen(
                announced(command_of(program)),
                cwd=places.get(working_directory, working_directory),
                # Its own directories: in /tmp, and in the user's, are files that change what runs.
                env={**ENVIRONMENT, "HOME": str(home), "TMPDIR": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=keeps,
            )
            ending = _follow(process, output, cancel, limits.seconds)
        code = process.returncode
        exit_code = 128 - code if code < 0 else code
        return ContainerResult(ending, exit_code, time.monotonic() - started, None, None)

    def seen(self, mount: Mount) -> str:
        """Return where a program finds what would be mounted: where it is."""
        return str(mount.source)


def _follow(
    process: subprocess.Popen[bytes],
    output: Output,
    cancel: threading.Event,
    seconds: float | None,
) -> Ending:
    """Pass on what a process prints until it ends or is cancelled; then end its whole group."""
    assert process.stdout is not None
    ending = Ending.EXITED
    latest = math.inf if seconds is None else time.monotonic() + seconds
    with process.stdout as stream, selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        try:
            while not _has_ended(process):
                if cancel.is_set() or time.monotonic() > latest:
                    ending = Ending.CANCELLED if cancel.is_set() else Ending.TIMED_OUT
                    break
                # Without a stream, which it may close, this waits.
                if selector.select(POLL_SECONDS) and not _pass_on(stream.fileno(), output):
                    selector.unregister(stream)
        finally:
            _end(process)
        for _ in range(MOST_LEFT):
            if not selector.select(0) or not _pass_on(stream.fileno(), output):
                break
    return ending


def _pass_on(descriptor: int, output: Output) -> bool:
    """Pass on what can be read; return whether there was anything."""
    data = os.read(descriptor, CHUNK)
    if data:
        output(data)
    return bool(data)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process has ended; it stays a zombie, so that nobody else gets its number."""
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

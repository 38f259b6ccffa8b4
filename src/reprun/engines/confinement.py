"""What programs of our own run in that work on what others wrote: a sandbox, or none.

A program is started in one way wherever it runs. That is a sandbox (`box.Box`); where none can be
made it is an ordinary process (`trusted.Trusted`), and whoever chose that says so.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from reprun.documents.record import Sandbox
from reprun.engines.base import ContainerResult, Limits, Mount, Output
from reprun.engines.box import LIMITS, Box
from reprun.engines.trusted import Trusted
from reprun.errors import NoSandboxError
from reprun.progress import Progress
from reprun.store.store import Store


class Confinement(Protocol):
    """Runs programs of this Python environment; calls may come from several threads."""

    @property
    def sandbox(self) -> Sandbox:
        """What confines a program, as the record has it."""

    @property
    def mounts(self) -> bool:
        """Whether a program finds what it is given mounted, and not where it is on this machine."""

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
        """Run a module of this environment with its arguments, to its end; `cancel` kills it.

        `working_directory` is the target of one of the mounts, or a path of this machine; both of
        its streams go to `output`, and the descriptors of `keeps` stay open as long as it lives.
        Raises NoSandboxError where no container can be started.
        """

    def seen(self, mount: Mount) -> str:
        """Return where a program finds what is mounted."""


def confinement(store: Store, *, trusted: bool, progress: Progress) -> Confinement:
    """Return the sandbox; where none can be made and the user trusts the Snakefile, none."""
    box = Box(store)
    if not trusted:
        return box
    try:
        box.check()
    except NoSandboxError as error:
        progress.say(
            f"note: {error.message}; the Snakefile is executed as you, trusted by --trust-snakefile"
        )
        return Trusted()
    progress.say("note: --trust-snakefile changes nothing here: runc makes a sandbox")
    return box

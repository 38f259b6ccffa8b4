"""Following a workflow on its server until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reprun.progress import Progress
from reprun.reana.remote.access import Token
from reprun.reana.remote.client import Client, RemoteError
from reprun.reana.remote.record import jobs_of
from reprun.reana.remote.submission import Keeper, Submission

ENDED = ("finished", "failed", "stopped", "deleted")
FIRST_POLL = 1.0
SLOWEST_POLL = 10.0
PATIENCE = 10
"""How many times in a row a server that does not answer is asked again while following."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where to submit, and how to look there."""

    address: str
    token: Token
    first_poll: float = FIRST_POLL
    slowest_poll: float = SLOWEST_POLL


def follow(keeper: Keeper, client: Client, remote: Remote, progress: Progress) -> None:
    """Wait for the end; say what each step comes to."""
    told: dict[str, str] = {}
    pause, silent = remote.first_poll, 0
    before = ""
    with progress.task("running on REANA", None, "step") as bar:
        while True:
            try:
                found = client.status(keeper.submission.remote)
            except RemoteError as error:
                silent += 1
                if not error.passes or silent >= PATIENCE:
                    raise
                progress.say(f"note: {error.message}; still following")
                time.sleep(pause)
                continue
            silent = 0
            status = str(found["status"])
            if status != before:
                progress.say(f"{keeper.submission.label} is {status}")
                keeper.note(status=status)
                before = status
            logs = client.logs(keeper.submission.remote)
            bar.advance(_tell(logs, told, keeper.submission, progress.say))
            if status in ENDED:
                keeper.note(phase="ended")
                return
            time.sleep(pause)
            pause = min(pause * 1.5, remote.slowest_poll)


def _tell(
    logs: Mapping[str, Any],
    told: dict[str, str],
    submission: Submission,
    say: Callable[[str], None],
) -> int:
    """Say which steps have another status than when they were last looked at."""
    ended = 0
    for job in jobs_of(logs):
        if told.get(job.identity) == job.status:
            continue
        told[job.identity] = job.status
        done = sum(status in ("finished", "failed", "stopped") for status in told.values())
        ended += job.status in ("finished", "failed", "stopped")
        say(f"[{done}/{len(submission.rules)}] {job.name} {job.status}")
    return ended

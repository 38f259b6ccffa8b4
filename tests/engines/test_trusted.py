"""A program of ours as an ordinary process: it ends as in a sandbox, and nothing of it is left."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from reprun.engines.base import Ending, Mount
from reprun.engines.trusted import Trusted

IN_A_CHILD = "import os, time; os.fork(); print('up', flush=True); time.sleep(600)"
CLOSED = "import os, time; os.close(1); os.close(2); time.sleep(0.5); os._exit(3)"
LEFT = "import os, time; os.fork() or time.sleep(600); print('x' * 50_000); os._exit(4)"


def run(
    tmp_path: Path, text: str, cancel: threading.Event, output: bytearray
) -> tuple[Ending, int]:
    def take(data: bytes) -> None:
        output.extend(data)
        if output.startswith(b"up"):
            cancel.set()

    result = Trusted().run(
        ("timeit", "-n", "1", "-r", "1", text),
        mounts=[Mount(tmp_path, "/seen")],
        working_directory="/seen",
        output=take,
        cancel=cancel,
    )
    return result.ending, result.exit_code


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        (IN_A_CHILD, (Ending.CANCELLED, 137)),
        (CLOSED, (Ending.EXITED, 3)),
        (LEFT, (Ending.EXITED, 4)),
        ("import os; os.kill(os.getpid(), 9)", (Ending.EXITED, 137)),
        ("import os; open('made', 'w').write(os.environ['HOME'])", (Ending.EXITED, 0)),
    ],
)
def test_how_it_ends(tmp_path: Path, text: str, ended: tuple[Ending, int]) -> None:
    started = time.monotonic()
    output = bytearray()
    assert run(tmp_path, text, threading.Event(), output) == ended
    assert time.monotonic() - started < 60
    if text == LEFT:
        assert output.count(b"x") == 50_000
    if ended[1] == 0:
        assert not Path((tmp_path / "made").read_text()).exists()

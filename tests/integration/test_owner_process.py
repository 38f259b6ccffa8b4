"""The owner of a container is a process that ends."""

from __future__ import annotations

import os
import subprocess
import sys

from reprun.files import is_gone


def test_a_child_is_here_until_it_ends() -> None:
    script = "from reprun.files import mark; print(mark(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    named = child.stdout.readline().strip()
    assert not is_gone(named)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(named)  # dead, though nobody has asked for its exit code yet
    child.communicate()
    assert is_gone(named)

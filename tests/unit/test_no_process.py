"""The guard of this folder: every way to start a process fails the test that tries it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
from collections.abc import Callable

import pytest

from tests.unit.conftest import Guard

WAYS: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run(["true"], check=False),
    "fork": os.fork,
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "system": lambda: os.system("true"),
    "forked": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "spawned": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_process_can_be_started(no_process: Guard, way: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="a unit test starts no process"):
        WAYS[way]()
    assert len(no_process.seen) == 1
    no_process.seen.clear()


def test_a_swallowed_refusal_is_remembered(no_process: Guard) -> None:
    with contextlib.suppress(pytest.fail.Exception):
        subprocess.run(["true"], check=False)
    assert no_process.seen
    no_process.seen.clear()

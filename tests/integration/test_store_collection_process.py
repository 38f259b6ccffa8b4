"""A process that was killed holds nothing of the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reprun.store.collection import collect
from reprun.store.store import Store
from tests.unit.test_store_collection import ONE, TWO


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """A store with two data files."""
    store = Store(tmp_path / "store")
    for data in (b"one", b"two"):
        store.note_origin(store.add_bytes(data), "https://portal.example/a")
    return store


def test_a_killed_process_holds_nothing(own: Store) -> None:
    script = """
import sys, time
from pathlib import Path
from reprun.store.collection import hold
from reprun.store.store import Store
with hold(Store(Path(sys.argv[1])), [sys.argv[2]]):
    print("held", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(own.root), ONE], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        assert collect(own, []).removed == (TWO,)
        holder.kill()
        holder.wait()
    assert collect(own, []).removed == (ONE,)

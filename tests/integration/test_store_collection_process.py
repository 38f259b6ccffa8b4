"""A process that was killed holds nothing of the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reprun.store.collection import collect
from tests.store_support import ONE, TWO, with_two_files


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    own = with_two_files(tmp_path / "store")
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

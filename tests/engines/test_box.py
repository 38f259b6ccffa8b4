"""The sandbox of our own programs: what it is made of, and what is left when it has ended."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from reprun.engines.base import ContainerResult
from reprun.engines.box import ROOTS, Box
from reprun.engines.containers import Bundle, Containers
from reprun.files import start_time
from reprun.store.store import Store

OTHER_ARCHITECTURE = (
    "import ctypes,mmap;"
    "m=mmap.mmap(-1,4096,prot=7);"
    "m.write(bytes.fromhex('b814000000cd80c3'));"  # mov $20,%eax; int $0x80; ret: its getpid
    "a=ctypes.addressof(ctypes.c_char.from_buffer(m));"
    "print('called',ctypes.CFUNCTYPE(ctypes.c_int)(a)())"
)


@pytest.fixture
def boxed(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def run(store: Store, statement: str) -> tuple[ContainerResult, str]:
    """Execute a statement of Python in a sandbox; return how it ended and what it printed."""
    said = bytearray()
    ended = Box(store).run(
        ("timeit", "-n", "1", "-r", "1", statement),
        mounts=(),
        working_directory="/",
        output=said.extend,
        cancel=threading.Event(),
    )
    return ended, said.decode()


def test_nothing_in_a_sandbox_writes_the_root_that_the_next_one_has(boxed: Store) -> None:
    for place in ("/etc/passwd", "/made", "/etc/made"):
        ended, said = run(boxed, f"open({place!r}, 'a')")
        assert ended.exit_code == 1
        assert "Read-only file system" in said, place
    (root,) = (boxed.root / ROOTS).iterdir()
    assert sorted(path.name for path in (root / "etc").iterdir()) == [
        "group",
        "ld.so.cache",
        "passwd",
    ]
    assert not (root / "made").exists()


def test_a_sandbox_has_no_system_call_of_another_architecture(boxed: Store) -> None:
    ended, said = run(boxed, OTHER_ARCHITECTURE)
    assert "called" not in said
    assert ended.exit_code != 0


def test_a_container_that_ended_leaves_nothing_and_takes_no_other_process_to_remove(
    boxed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    command = Containers.command

    def heard(self: Containers, *arguments: str) -> list[str]:
        asked.extend(arguments)
        return command(self, *arguments)

    monkeypatch.setattr(Containers, "command", heard)
    ended, _ = run(boxed, "pass")
    assert ended.exit_code == 0
    assert "delete" not in asked
    for place in ("runc/state", "runc/bundles"):
        assert list((boxed.root / place).iterdir()) == []
    name = Path(asked[asked.index("--bundle") + 1]).name
    assert list(Path("/sys/fs/cgroup").glob(f"**/{name}")) == []


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"init_process_pid": 1, "init_process_start": 0}).encode(),
        json.dumps(
            {
                "init_process_pid": os.getpid(),
                "init_process_start": int(start_time(os.getpid()) or 0),
                "cgroup_paths": {},
            }
        ).encode(),
    ],
    ids=["empty", "a list", "nothing", "another process", "a live process"],
)
def test_what_may_still_run_is_removed_by_runc(
    boxed: Store, state: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def heard(_: Containers, *arguments: str) -> list[str]:
        asked.extend(arguments)
        return ["true"]

    monkeypatch.setattr(Containers, "command", heard)
    containers = Containers(boxed)
    kept = boxed.directory("runc/state/one") / "state.json"
    kept.write_bytes(state)
    Bundle(containers, boxed.directory("runc/bundles/one")).remove()
    assert asked == ["delete", "--force", "one"]
    assert kept.exists()

"""Hostile and damaged files, read in processes with limits of memory and time."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from reprun.errors import OutputMissingError
from tests import fuzz
from tests.fuzz import Input, Reader, in_a_process
from tests.hostile_files import cases

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_but_our_errors_comes_out() -> None:
    """A process of its own: one that forks must not have the threads of the tests."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--rounds", "60", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == f"{len(cases()) + 12 * 60:,} files, 0 wrong\n"


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append([one.data for one in fuzz.inputs(tmp_path / name, 3, 5)])
    assert found[0] == found[1]


def hang(_: Path) -> None:
    while True:
        pass


def take(_: Path) -> None:
    # More than enough: what this process has of files is not the child's until it is read there.
    assert bytearray(3 * fuzz.MEMORY // 2)


def take_all(_: Path) -> None:
    assert bytearray(10 * fuzz.MEMORY)


def refuse(_: Path) -> None:
    raise OutputMissingError("no")


def refuse_at_length(_: Path) -> None:
    raise OutputMissingError("no" * 5_000)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (refuse, None),
        (refuse_at_length, "an error of 10000 characters"),
        (take, "MB more"),
        (take_all, "MemoryError"),
        (hang, "ended with -27"),
    ],
)
def test_what_goes_wrong_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: object, said: str | None
) -> None:
    if read is hang:
        monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    reserved = mmap.mmap(-1, 3 * fuzz.MEMORY)  # as a process that ran many tests has
    reader = Reader("x", "x", (), read)  # type: ignore[arg-type]
    with reserved:
        found = in_a_process([Input(reader, "x", b"")] * 2, tmp_path)
    assert len(found) == (0 if said is None else 2)
    assert all(said is not None and said in what for _, what in found)

"""What paths take of a disk, and what removing them frees."""

from __future__ import annotations

import os
from pathlib import Path

from reprun.store.space import freed, taken

SIZE = 1 << 20


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(SIZE))
    return path


def test_a_file_is_freed_with_the_last_of_its_names(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a" / "file"), tmp_path / "b" / "file"
    other.parent.mkdir()
    other.hardlink_to(one)
    assert freed([one.parent])[one.parent] < SIZE
    both = freed([one.parent, other.parent])
    assert SIZE <= both[one.parent] < SIZE + 10_000
    assert both[other.parent] < SIZE
    assert SIZE <= taken([tmp_path]) < SIZE + 20_000


def test_holes_take_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(100 * SIZE)
    assert taken([tmp_path]) < SIZE
    assert freed([tmp_path])[tmp_path] < SIZE


def test_what_is_not_there_takes_nothing_and_links_lead_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "file")
    link = tmp_path / "links" / "link"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "file")
    assert taken([link.parent, tmp_path / "none"]) < SIZE

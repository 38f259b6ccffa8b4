"""Locks, what is half-made, and what is finished: each has one way, and a kill leaves no trace."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun import files
from reprun.errors import StorageError
from reprun.files import (
    is_gone,
    leftovers,
    locked,
    make_directory,
    mark,
    replacing,
    scratch,
    settle,
    storage_errors,
    sweep,
    take_lock,
    temporary_file,
    write_atomically,
)
from reprun.images.rootfs.sealed import arriving
from tests.store_support import of_a_killed_process

SOURCE = Path(__file__).resolve().parents[2] / "src"
BENEATH = "os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)"


def take(path: Path, *, shared: bool = False, hint: str | None = None) -> None:
    """Take a lock and let go of it; refuse where another has it."""
    with locked(path, shared=shared, busy="it is taken", hint=hint):
        pass


def test_no_other_module_locks_files() -> None:
    found = [path.name for path in SOURCE.rglob("*.py") if "flock(" in path.read_text()]
    assert found == ["files.py"]


def test_who_does_not_wait_is_told_who_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/reprun", "run", "two words"])
    path = tmp_path / "lock"
    with locked(path):
        with pytest.raises(StorageError) as refused:
            take(path, hint="wait")
        with pytest.raises(StorageError, match="it is taken"):
            take(path, shared=True)
    assert refused.value.message == f"it is taken (process {os.getpid()}: reprun run 'two words')"
    assert (refused.value.place, refused.value.hint) == (str(tmp_path), "wait")
    assert path.read_bytes() == b""
    take(path)


def test_who_waits_has_it_next(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def second() -> None:
        with locked(path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with locked(path):
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_readers_share_and_exclude_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, shared=True):
        take(path, shared=True)
        with pytest.raises(StorageError, match=r"^it is taken$"):
            take(path)
    take(path)


def test_an_error_of_the_block_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    with path.open() as stream:
        assert take_lock(stream, wait=False)


def test_what_the_disk_refuses_comes_with_a_command_to_paste(tmp_path: Path) -> None:
    place = tmp_path / "my results"
    for number, command in ((errno.ENOSPC, "df -h"), (errno.EACCES, "ls -ld")):
        with pytest.raises(StorageError) as error, storage_errors(place):
            raise OSError(number, os.strerror(number))
        assert (error.value.hint or "").startswith(f"{command} '{place}'   #")


# -- what is half-made ---------------------------------------------------------------------------


def test_this_process_is_here() -> None:
    assert not is_gone(mark())
    assert mark().split("-")[1] == str(os.getpid())


def test_another_process_under_the_same_number_is_not_the_owner() -> None:
    place, pid, started = mark().split("-")
    assert is_gone(f"{place}-{pid}-{int(started) + 1}")
    assert is_gone(f"{place}-999999999999999999999-{started}")
    another_boot = place[:6] + "0" * 6 + place[12:]
    assert is_gone(f"{another_boot}-{pid}-{started}")


@pytest.mark.parametrize("at", [0, 12])
def test_of_another_machine_or_container_nothing_is_known(at: int) -> None:
    place, _, _ = mark().split("-")
    other = "0" if place[at] != "0" else "1"
    assert not is_gone(f"{place[:at]}{other}{place[at + 1 :]}-1-1")


def test_a_name_with_blanks_and_brackets_is_read_right(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ["S", *map(str, range(1, 30))]
    text = f"7 (a) b (c)) {' '.join(fields)}"
    monkeypatch.setattr(Path, "read_text", lambda _: text)
    assert files.start_time(7) == "19"
    monkeypatch.setattr(Path, "read_text", lambda _: text.replace(" S ", " Z "))
    assert files.start_time(7) is None


@given(st.text())
def test_what_is_not_a_mark_is_nobodys(text: str) -> None:
    assert is_gone(text)


def test_only_what_nobody_alive_has_is_swept(tmp_path: Path) -> None:
    left = tmp_path / of_a_killed_process("partial-")
    (left / "below").mkdir(parents=True)
    (tmp_path / of_a_killed_process(".record.json.")).touch()
    (tmp_path / of_a_killed_process("link-")).symlink_to(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "0123456789abcdef-1-1").touch()  # of a user, whatever it is
    with scratch(tmp_path) as here:
        stream, there = temporary_file(tmp_path)
        stream.close()
        assert len(sweep(tmp_path, tmp_path / "absent", there)) == 3
        assert set(tmp_path.iterdir()) == {
            *(here, there, tmp_path / "mine", tmp_path / "0123456789abcdef-1-1")
        }
    assert not here.exists()


def test_what_another_user_left_is_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / of_a_killed_process()
    left.touch()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert sweep(tmp_path) == []
    assert left.exists()


def test_what_is_in_the_midst_of_being_written_is_swept_and_a_long_name_is_cut(
    tmp_path: Path,
) -> None:
    target = tmp_path / ("x" * 250)
    with replacing(target) as stream:
        (temporary,) = tmp_path.iterdir()
        assert not leftovers(tmp_path)
        stream.write(b"new")
    assert files.MARKED.search(temporary.name)
    assert target.read_bytes() == b"new"


# -- what is finished ----------------------------------------------------------------------------


def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down what is synced and what is renamed, in order."""
    seen: list[str] = []
    replace = Path.replace

    def renamed(path: Path, target: Path) -> Path:
        seen.append(f"rename {target.name}")
        return replace(path, target)

    monkeypatch.setattr(files, "sync", lambda path: seen.append(f"sync {path.name[:6]}"))
    monkeypatch.setattr(files, "sync_all", lambda path: seen.append("sync all"))
    monkeypatch.setattr(Path, "replace", renamed)
    return seen


def test_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = calls(monkeypatch)
    place = tmp_path / "place"
    place.mkdir()
    write_atomically(place / "a", b"1")
    assert seen == ["sync .a." + mark()[:3], "rename a", "sync place"]
    seen.clear()
    write_atomically(place / "a", b"1", lasting=False)
    assert seen == ["rename a"]
    seen.clear()
    (place / "tree").mkdir()
    settle(place / "tree", place / "named")
    assert seen == ["sync all", "rename named", "sync place"]


def test_a_new_directory_is_on_the_disk_with_all_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = calls(monkeypatch)
    make_directory(tmp_path / "one" / "two")
    assert seen == ["sync one", f"sync {tmp_path.name[:6]}"]
    make_directory(tmp_path / "one" / "two")
    assert len(seen) == 2


def test_a_file_system_that_cannot_wait_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_no_other_module_renames_what_must_last() -> None:
    """One that does says in its line why nothing is lost by it."""
    renames = re.compile(r"\.rename\(|\.replace\([a-z_]+\)|os\.(?:rename|replace)\(")
    found = {
        f"{path.relative_to(SOURCE)}: {line.strip()}"
        for path in SOURCE.rglob("*.py")
        for line in path.read_text().splitlines()
        if renames.search(line) and path.name != "files.py"
    }
    assert found == {
        # Within a tree that gets its own name afterwards.
        'reprun/images/rootfs/bytecode.py: (made / "out").rename(partial / "root")',
        # The mount points in a workspace, which are laid out again before each step.
        "reprun/workflow/beneath.py: " + BENEATH,
        'reprun/workflow/beneath.py: os.rename(name, gone / "tree", src_dir_fd=parent)',
        # A program of another environment; what it brings is compared with its digest.
        "reprun/reana/remote/driver.py: Path(part).replace(place)",
    }


def test_an_interruption_between_a_name_and_its_sync_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "sync", interrupted)
    with pytest.raises(KeyboardInterrupt), arriving(tmp_path / "made", tmp_path) as partial:
        (partial / "root" / "file").write_text("whole")
    assert (tmp_path / "made" / "root" / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]

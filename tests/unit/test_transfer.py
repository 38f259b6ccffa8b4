"""Transfers: resumed, retried, never mixed up, over HTTP and from a real XRootD server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprun.data import transfer
from reprun.data.files import fetch
from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError
from reprun.progress import Silent, SilentTask, Task
from reprun.store.store import Store
from tests.data_support import file
from tests.http_server import DATA, DIGEST, Server

pytestmark = pytest.mark.usefixtures("no_mirrors", "no_waiting")


def part_of(own: Store, data: bytes) -> Path:
    """Leave a part as a killed process does."""
    path = own.directory("incoming") / f"{DIGEST.replace(':', '-')}.part"
    path.write_bytes(data)
    return path


# -- http ---------------------------------------------------------------------------------------


def test_a_cut_is_resumed_where_it_was(own: Store, server: Server) -> None:
    assert fetch([file(server.url("cut-by-half"))], own, Silent()) == {"a": DIGEST}
    assert server.ranges == ["bytes=0-", "bytes=6-", "bytes=9-"]
    assert own.verified(DIGEST).read_bytes() == DATA


def test_what_a_killed_process_left_is_gone_on_with(own: Store, server: Server) -> None:
    part = part_of(own, DATA[:7])
    fetch([file(server.url("cut-by-half"))], own, Silent())
    assert server.ranges[0] == "bytes=7-"
    assert own.verified(DIGEST).read_bytes() == DATA
    assert not part.exists()


def test_a_whole_part_is_taken_without_asking(own: Store, server: Server) -> None:
    part_of(own, DATA)
    fetch([file(server.url("good"))], own, Silent())
    assert server.asked == []


@pytest.mark.parametrize("left", [b"wrong", b"wrong bytes\n", DATA + b"more"])
def test_a_part_with_wrong_bytes_is_no_fault_of_the_source(
    own: Store, server: Server, left: bytes
) -> None:
    part_of(own, left)
    assert fetch([file(server.url("cut-by-half"))], own, Silent()) == {"a": DIGEST}


@pytest.mark.parametrize("stale", ["lies-short", "missing", "local"])
def test_what_arrived_outlives_a_source_with_another_file(
    own: Store, server: Server, stale: str, tmp_path: Path
) -> None:
    """Gigabytes may have arrived from the one before."""
    part_of(own, DATA[:7])
    (tmp_path / "local").write_bytes(b"old")
    source = (tmp_path / "local").as_uri() if stale == "local" else server.url(stale)
    fetch([file(source, server.url("cut-by-half"))], own, Silent())
    assert server.ranges[0] == "bytes=7-"
    assert own.verified(DIGEST).read_bytes() == DATA


def test_an_address_that_is_none_is_reported(own: Store) -> None:
    with pytest.raises(InputsGoneError, match=r"http://\[::1/a: "):
        fetch([file("http://[::1/a")], own, Silent())


def test_a_server_that_is_busy_is_asked_again(own: Store, server: Server) -> None:
    fetch([file(server.url("busy-once"))], own, Silent())
    assert server.asked == ["/busy-once", "/busy-once"]


def test_wrong_bytes_with_the_right_length(own: Store, server: Server) -> None:
    with pytest.raises(InputsGoneError, match="the bytes have sha256"):
        fetch([file(server.url("other"))], own, Silent())
    assert list((own.root / "incoming").iterdir()) == []


def test_the_adler32_of_the_manifest_counts_too(own: Store, server: Server) -> None:
    with pytest.raises(InputsGoneError, match="the manifest says 00000001"):
        fetch([file(server.url("good"), adler32="00000001")], own, Silent())
    assert not own.has(DIGEST)


def test_a_host_that_does_not_answer_is_given_up(own: Store, server: Server) -> None:
    """The first file costs all its attempts; the others are not tried there any more."""
    server.server_close()
    files = [file(server.url(name), path=name, sha256=sha256_bytes(name.encode())) for name in "ab"]
    with pytest.raises(InputsGoneError) as caught:
        fetch(files, own, Silent(), parallel=1)
    host = server.url("").rstrip("/")
    assert "/a: [Errno 111] Connection refused" in caught.value.message
    assert f"/b: skipped: {host} did not respond earlier" in caught.value.message


def test_a_host_that_has_answered_is_not_given_up(own: Store, server: Server) -> None:
    names = ("missing", "hang-up", "good")
    files = [
        file(server.url(name), path=name, sha256=sha256_bytes(name.encode())) for name in names
    ]
    files[-1] = file(server.url("good"), path="good")
    with pytest.raises(InputsGoneError, match="2 of 3 data files"):
        fetch(files, own, Silent(), parallel=1)
    assert server.asked.count("/hang-up") == 3
    assert own.has(DIGEST)


def test_a_server_that_would_hardly_ever_end_is_left_for_the_next(
    own: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends a byte now and then, so that no time-out ever strikes."""
    monkeypatch.setattr(transfer, "SLOW_SECONDS", 0.2)
    with pytest.raises(InputsGoneError, match=r"too slow: \d bytes in 0 seconds"):
        fetch([file(server.url("drips"))], own, Silent())
    assert server.asked == ["/drips"]
    fetch([file(server.url("drips"), server.url("good"))], own, Silent())
    assert own.verified(DIGEST).read_bytes() == DATA


def test_a_slow_server_that_keeps_its_pace_is_waited_for(
    own: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(transfer, "SLOWEST", 1)
    fetch([file(server.url("drips"))], own, Silent())
    assert own.has(DIGEST)


def test_a_local_copy_of_another_size_is_refused_at_once(own: Store, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(DATA[:3])
    with pytest.raises(InputsGoneError, match="the file has 3 bytes, expected 12"):
        fetch([file((tmp_path / "short").as_uri())], own, Silent())


def test_wrong_bytes_in_pieces_come_to_an_end(own: Store, server: Server) -> None:
    """A server that cuts every answer and has other bytes is not asked for ever."""
    with pytest.raises(InputsGoneError, match=r"sha256|bytes arrived|Connection|IncompleteRead"):
        fetch([file(server.url("always-cut-wrong"))], own, Silent())
    assert len(server.asked) < 20


@pytest.mark.parametrize("page", ["file", "moved"])
def test_no_login_of_the_user_is_sent_to_a_source(
    own: Store, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """A stranger's manifest names the sources, over http as well."""
    logins = tmp_path / "netrc"
    logins.write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(logins))
    server.pages["/file"] = server.pages["/moved-here"] = DATA
    fetch([file(server.url(page))], own, Silent())
    assert server.logins
    assert set(server.logins) == {None}


def test_connections_are_kept(own: Store, server: Server) -> None:
    files = [
        file(server.url(f"number/{n}"), path=str(n), sha256=sha256_bytes(f"{n}".encode()), size=1)
        for n in range(9)
    ]
    fetch(files, own, Silent(), parallel=1)
    assert len(server.asked) == 9
    assert len(server.clients) == 1


def test_the_progress_adds_up(own: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BAR_BYTES", 1)
    bars = Bars()
    fetch([file(server.url("cut-once"))], own, bars)
    assert bars.seen == {"fetching 1 data file": (12, 12), "a": (12, 12)}


class Bars(Silent):
    """Remembers the total and the sum of each bar."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int | None, int]] = {}

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
        bar = Bar()
        yield bar
        self.seen[label] = (total, bar.done)


class Bar(SilentTask):
    """A bar that counts."""

    done = 0

    def advance(self, amount: int) -> None:
        self.done += amount


def test_two_processes_share_one_transfer(own: Store, server: Server) -> None:
    """The second waits for the first and takes what it brought."""
    wanted = file(server.url("good"))
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        entered.set()
        fetch([wanted], own, Silent())
        leave.set()

    other = threading.Thread(target=second)
    with own.partial(DIGEST, waiting=pytest.fail):
        other.start()
        assert entered.wait(10)
        assert not leave.wait(0.3)
        own.add_bytes(DATA)
    other.join(10)
    assert leave.is_set()
    assert server.asked == []


def test_a_transfer_is_left_when_the_user_stops(
    own: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived stays for the next time."""

    class Stop(Silent):
        @contextmanager
        def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
            yield Bar()

    def interrupted(_: object) -> None:
        while not (own.root / "incoming").exists():
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch([file(server.url("cut"))], own, Stop())


# -- root:// ------------------------------------------------------------------------------------

"""Files over root:// from a real XRootD server, and the memory of a transfer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reprun.data import resolve
from reprun.data.files import fetch
from reprun.digests import adler32_file, sha256_file
from reprun.documents.manifest import DataFile, Dataset
from reprun.errors import InputsGoneError
from reprun.progress import Silent
from reprun.store.store import Store
from tests.data_support import file
from tests.http_server import Server
from tests.real_data import shared_data
from tests.xrootd_server import asked, xrootd

pytestmark = [pytest.mark.xrootd, pytest.mark.usefixtures("no_mirrors", "no_waiting")]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A sparse file of 300 MB passes through a process that may use 150 MB more."""
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(300 << 20)
    script = """
import resource, sys
from pathlib import Path
from reprun.data.files import fetch
from reprun.digests import sha256_file
from reprun.documents.manifest import DataFile
from reprun.progress import Silent
from reprun.store.store import Store
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
big = Path(sys.argv[1])
file = DataFile(path="big", size=300 << 20, sha256=sha256_file(big), uris=(big.as_uri(),))
fetch([file], Store(Path(sys.argv[2])), Silent())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(big), str(tmp_path / "store")],
        capture_output=True,
        check=True,
        text=True,
    )
    assert int(done.stdout) < 60_000  # KB


@pytest.fixture(scope="module")
def root_url() -> Iterator[str]:
    with xrootd(shared_data()) as url:
        yield url


def described(path: str, *uris: str, **changes: Any) -> DataFile:
    """Describe a shared file."""
    real = shared_data() / path
    document = {
        "path": path,
        "size": real.stat().st_size,
        "sha256": sha256_file(real),
        "adler32": adler32_file(real),
        "uris": uris,
    }
    return DataFile.model_validate(document | changes)


def test_real_files_come_over_root(own: Store, root_url: str, tmp_path: Path) -> None:
    names = sorted(
        str(path.relative_to(shared_data()))
        for folder in ("cms-h4l/events", "lhcb-b2hhh")
        for path in (shared_data() / folder).iterdir()
    )
    files = tuple(described(name, f"{root_url}/{name}") for name in names)
    resolve(Dataset(title="real", files=files), tmp_path, own, Silent())
    for each in files:
        assert own.verify(each.digest).stat().st_size == each.size
        assert own.origin_path(each.digest).read_text() == f"{each.uris[0]}\n"
    assert len(files) == 7


def test_https_is_asked_before_root(own: Store, root_url: str, server: Server) -> None:
    name = "cms-h4l/events/4e_2011.csv"
    wanted = described(name, f"{root_url}/{name}", server.url("missing"))
    fetch([wanted], own, Silent())
    assert server.asked == ["/missing"]
    assert own.has(wanted.digest)


def test_root_says_what_is_missing(own: Store, root_url: str) -> None:
    with pytest.raises(InputsGoneError, match=r"root://.*/nothing: .*\[3011\].*no such file"):
        fetch([file(f"{root_url}/nothing")], own, Silent())


def left(own: Store, wanted: DataFile, data: bytes) -> Path:
    """Leave a part of a file as a cut does."""
    path = own.directory("incoming") / f"{wanted.digest.replace(':', '-')}.part"
    path.write_bytes(data)
    return path


def test_root_goes_on_after_a_cut(own: Store, root_url: str) -> None:
    name = "lhcb-b2hhh/PhaseSpaceSimulation.root"
    wanted = described(name, f"{root_url}/{name}")
    whole = (shared_data() / name).read_bytes()
    part = left(own, wanted, whole[:2_000_000])
    fetch([wanted], own, Silent())
    assert asked()[-1] == f"{root_url} tail -c {wanted.size - 2_000_000} /{name}"
    assert own.verified(wanted.digest).read_bytes() == whole
    assert not part.exists()


def test_a_client_killed_in_the_middle_goes_on_where_it_was(
    own: Store, root_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first `xrdcp` dies after some of the file: what it brought is not asked for again."""
    name = "lhcb-b2hhh/PhaseSpaceSimulation.root"
    wanted = described(name, f"{root_url}/{name}")
    real, rest = shutil.which("xrdcp"), shutil.which("xrdfs")
    assert real is not None
    assert rest is not None
    (tmp_path / "xrdcp").write_text(
        f'#!/bin/sh\n{real} --silent "$3" {tmp_path}/all\nhead -c 1234567 {tmp_path}/all\nexit 51\n'
    )
    (tmp_path / "xrdcp").chmod(0o755)
    (tmp_path / "xrdfs").symlink_to(rest)
    before = len(asked())
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    fetch([wanted], own, Silent())
    monkeypatch.undo()
    assert own.verify(wanted.digest).stat().st_size == wanted.size
    assert [line.split()[1] for line in asked()[before:]] == [f"{root_url}/{name}", "tail"]
    assert f"tail -c {wanted.size - 1234567} " in asked()[-1]


@pytest.mark.parametrize("size", [2270, 2271])
def test_a_part_that_does_not_fit_is_brought_anew_over_root(
    own: Store, root_url: str, size: int
) -> None:
    """The part may be of other bytes; the whole is then asked for, and right."""
    name = "cms-h4l/events/4e_2011.csv"
    wanted = described(name, f"{root_url}/{name}")
    left(own, wanted, b"x" * size)
    fetch([wanted], own, Silent())
    assert own.verify(wanted.digest).read_bytes() == (shared_data() / name).read_bytes()


def test_without_xrdfs_root_starts_anew(
    own: Store, root_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "cms-h4l/events/4e_2011.csv"
    wanted = described(name, f"{root_url}/{name}")
    left(own, wanted, b"x" * 9)
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "xrdfs" else real(name))
    fetch([wanted], own, Silent())
    assert own.has(wanted.digest)


def test_wrong_bytes_over_root(own: Store, root_url: str) -> None:
    name = "cms-h4l/events/4e_2011.csv"
    wrong = described(name, f"{root_url}/{name}", sha256="0" * 64)
    with pytest.raises(InputsGoneError, match="the bytes have sha256 53bcf1e51582"):
        fetch([wrong], own, Silent())
    more = described(name, f"{root_url}/{name}", size=100)
    with pytest.raises(InputsGoneError, match="2271 bytes or more arrived, expected 100"):
        fetch([more], own, Silent())
    less = described(name, f"{root_url}/{name}", size=3000)
    with pytest.raises(InputsGoneError, match="2271 bytes arrived, expected 3000"):
        fetch([less], own, Silent())


def test_without_its_client(own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputsGoneError, match="apt-get install xrootd-client"):
        fetch([file("root://127.0.0.1//a")], own, Silent())


def test_a_root_server_that_is_not_there(own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "XRD_CONNECTIONWINDOW", "1")
    with pytest.raises(InputsGoneError, match=r"root://127.0.0.1:1//a: .*Connection error"):
        fetch([file("root://127.0.0.1:1//a")], own, Silent())

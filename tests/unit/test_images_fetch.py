"""Fetching: which source is asked when, and what happens when bytes are wrong or gone."""

from __future__ import annotations

import http.server
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprun.errors import (
    InputsGoneError,
    IntegrityError,
    SpecificationError,
    ToolError,
)
from reprun.images.builder import fetch as fetch_module
from reprun.images.builder.fetch import (
    Sources,
    fetch,
    system_debian_mirrors,
)
from reprun.images.builder.resolve import _wheel_entry, resolve_debs, resolve_wheels
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import mirror, tiny
from tests.loopback import serving

pytestmark = pytest.mark.usefixtures("no_waiting")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word; `failures` requests are answered with 503 first."""

    failures = 0
    cut = 0
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_GET(self) -> None:
        """Serve, or fail as told."""
        type(self).asked.append(self.path)
        if type(self).failures:
            type(self).failures -= 1
            self.send_error(503)
        elif type(self).cut:
            type(self).cut -= 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"!<arch>")
        else:
            super().do_GET()


@contextmanager
def archive_server(
    directory: Path, *, failures: int = 0, cut: int = 0
) -> Iterator[tuple[str, list[str]]]:
    """Serve a directory on loopback; give its URL and the list of paths asked for."""
    asked: list[str] = []
    facts = {"failures": failures, "cut": cut, "asked": asked}
    handler = type("OneHandler", (Handler,), facts)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: handler(*args, directory=str(directory))
    )
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}", asked


def test_a_mirror_may_be_a_store_an_archive_or_a_flat_directory(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    definition = made.definition()
    archive = mirror(made, tmp_path / "archive")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in archive.rglob("*.*"):
        if path.is_file():
            shutil.copy(path, flat)
    for number, place in enumerate((made.store.root, archive, flat, f"file://{archive}")):
        store = Store(tmp_path / f"store{number}")
        fetch(definition, store, Silent(), Sources(mirrors=(str(place),), index=False))
        assert all(store.has(d) for d in (made.debs[0].digest, made.wheels[0].digest))


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        """Note a line."""
        self.lines.append(message)


def test_an_image_leaves_no_notes_of_where_data_came_from(tmp_path: Path) -> None:
    """A collection drops what has such a note and is named nowhere."""
    made = tiny(tmp_path)
    store = Store(tmp_path / "fresh")
    fetch(made.definition(), store, Silent(), Sources(mirrors=(str(made.store.root),), index=False))
    assert not (store.root / "origins").exists()


def test_a_package_that_was_cut_is_resumed(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.wheels.clear()
    store = Store(tmp_path / "fresh")
    deb = made.debs[0]
    whole = made.store.blob_path(deb.digest).read_bytes()
    part = store.directory("incoming") / f"{deb.digest.replace(':', '-')}.part"
    part.write_bytes(whole[:100])
    fetch(made.definition(), store, Silent(), Sources(mirrors=(str(made.store.root),), index=False))
    assert store.verified(deb.digest).read_bytes() == whole
    assert not part.exists()


def test_a_file_that_has_rotted_in_the_store_is_set_aside_and_fetched_anew(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    definition = made.definition()
    sources = Sources(mirrors=(str(mirror(made, tmp_path / "archive")),), index=False)
    deb = made.debs[0]
    blob = made.store.blob_path(deb.digest)
    good = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(good[:-1])  # cut short
    heard = Heard()
    assert fetch(definition, made.store, heard, sources) == (deb,)
    assert blob.read_bytes() == good
    (line,) = heard.lines
    assert line.startswith(f"{deb.filename} was corrupt in the store: moved to ")
    assert (made.store.root / "quarantine" / blob.name).read_bytes() == good[:-1]
    assert fetch(definition, made.store, heard, sources) == ()
    assert len(heard.lines) == 1


def test_packages_come_from_the_debian_mirror_and_are_asked_for_once(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.wheels.clear()
    store = Store(tmp_path / "fresh")
    with archive_server(mirror(made, tmp_path / "archive")) as (url, asked):
        sources = Sources(debian=(f"{url}/",))
        fetch(made.definition(), store, Silent(), sources)
        fetch(made.definition(), store, Silent(), sources)
    assert asked == ["/pool/main/h/hello/hello_1.0-1_amd64.deb"]


@pytest.mark.parametrize("trouble", [{"failures": 2}, {"cut": 2}])
def test_a_passing_trouble_is_tried_again(tmp_path: Path, trouble: dict[str, int]) -> None:
    made = tiny(tmp_path)
    made.wheels.clear()
    store = Store(tmp_path / "fresh")
    with archive_server(mirror(made, tmp_path / "archive"), **trouble) as (url, asked):
        fetch(made.definition(), store, Silent(), Sources(debian=(url,)))
    assert len(asked) == 3
    assert store.has(made.debs[0].digest)


def test_a_host_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    with archive_server(tmp_path) as (url, _):
        pass
    with pytest.raises(InputsGoneError, match="2 locked files any more: hello"):
        fetch(
            made.definition(),
            Store(tmp_path / "fresh"),
            Silent(),
            Sources(mirrors=(url,), debian=(url,), index=False),
        )


def test_what_is_gone_is_listed_and_the_rest_is_kept(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    archive = mirror(made, tmp_path / "archive")
    (archive / made.debs[0].path).unlink()
    store = Store(tmp_path / "fresh")
    with (
        archive_server(archive) as (url, asked),
        pytest.raises(InputsGoneError, match=r"1 locked file any more: hello") as caught,
    ):
        fetch(made.definition(), store, Silent(), Sources((str(archive),), (url,), index=False))
    assert len(asked) == 1
    assert store.has(made.wheels[0].digest)
    assert "REPRUN_MIRRORS" in (caught.value.hint or "")
    assert "reprun images lock tiny" in (caught.value.hint or "")


def test_many_that_are_gone_are_counted(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    for number in range(86):
        made.deb(f"package {number}".encode(), f"x{number:02}")
    with pytest.raises(InputsGoneError) as caught:
        fetch(made.definition(), Store(tmp_path / "fresh"), Silent(), Sources(index=False))
    assert caught.value.message.endswith(
        "has 88 locked files: hello_1.0-1_amd64.deb, x00_1.0-1_amd64.deb, x01_1.0-1_amd64.deb "
        "and 85 more"
    )


def test_a_system_without_debian_sources_is_told_what_to_name(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    with pytest.raises(InputsGoneError, match="apt knows no Debian mirror") as caught:
        fetch(made.definition(), Store(tmp_path / "fresh"), Silent(), Sources(index=False))
    assert (caught.value.hint or "").startswith("export REPRUN_DEBIAN_MIRROR=URL")


@pytest.mark.parametrize("longer", [False, True])
def test_other_bytes_under_a_locked_name_are_refused(tmp_path: Path, longer: bool) -> None:
    made = tiny(tmp_path)
    made.wheels.clear()
    archive = mirror(made, tmp_path / "archive")
    path = archive / made.debs[0].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data + b"x" * longer)
    store = Store(tmp_path / "fresh")
    with pytest.raises(
        IntegrityError, match=r"checksum mismatch .* hello_1.0-1_amd64.deb at "
    ) as caught:
        fetch(made.definition(), store, Silent(), Sources(mirrors=(str(archive),), index=False))
    assert caught.value.exit_code == 6
    assert not store.has(made.debs[0].digest)
    fetch(
        made.definition(),
        store,
        Silent(),
        Sources(mirrors=(str(archive), str(made.store.root)), index=False),
    )


def apt_says(monkeypatch: pytest.MonkeyPatch, text: str, os_id: str) -> None:
    """Let apt's index targets be `text` on a system of that id."""
    done = subprocess.CompletedProcess([], 0, stdout=text, stderr="")
    monkeypatch.setattr("reprun.images.builder.fetch.subprocess.run", lambda *_, **__: done)
    monkeypatch.setattr(fetch_module, "_os_id", lambda: os_id)


def test_only_debians_own_archives_are_asked_for_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "Debian\tbookworm\tmain\thttp://one/debian/\n"
        "Debian\tbookworm-updates\tmain\thttp://two/debian/\n"
        "Debian\tbookworm\tcontrib\thttp://three/debian/\n"
        "Ubuntu\tnoble\tmain\thttp://four/ubuntu/\n"
    )
    apt_says(monkeypatch, lines, "debian")
    assert system_debian_mirrors() == ("http://one/debian/",)
    apt_says(monkeypatch, "$(ORIGIN)\tnoble\tmain\thttp://four/ubuntu/\n", "ubuntu")
    assert system_debian_mirrors() == ()
    apt_says(monkeypatch, "$(ORIGIN)\tbookworm\tmain\thttp://one/debian/\n", "debian")
    assert system_debian_mirrors() == ("http://one/debian/",)


def test_locking_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = tiny(tmp_path).definition()
    monkeypatch.setattr(
        "reprun.images.builder.resolve.shutil.which", lambda name: f"/usr/bin/{name}"
    )
    with pytest.raises(ToolError, match="public keys") as caught:
        resolve_debs(definition, Sources(debian=("x",)), Silent(), keyring=tmp_path / "none")
    assert caught.value.hint == "apt-get install debian-archive-keyring"
    (tmp_path / "keys").touch()
    with pytest.raises(InputsGoneError, match="no Debian mirror is known"):
        resolve_debs(definition, Sources(), Silent(), keyring=tmp_path / "keys")
    monkeypatch.setattr("reprun.images.builder.resolve.shutil.which", lambda name: None)
    with pytest.raises(ToolError, match="needs apt") as caught:
        resolve_debs(definition, Sources(debian=("x",)), Silent())
    assert caught.value.hint == "reprun images lock tiny   # on a Debian or Ubuntu host"
    with pytest.raises(ToolError, match="needs uv") as caught:
        resolve_wheels(definition, Store(tmp_path / "store"), Silent())
    assert caught.value.hint == "pip install uv"


def test_python_2_needs_every_package_pinned(tmp_path: Path) -> None:
    """No resolver knows Python 2 any more, so image.toml has to list all of it."""
    made = tiny(tmp_path)
    made.catalogue()
    place = made.directory / "tiny" / "image.toml"
    place.write_text(place.read_text().replace('version = "3.11"', 'version = "2.7"'))
    with pytest.raises(SpecificationError, match=r"pinned as name==version.*: greet$"):
        resolve_wheels(made.catalogue_as_it_is().definition("tiny"), made.store, Silent())


def test_a_wheel_is_locked_by_its_normalised_name(tmp_path: Path) -> None:
    path = tmp_path / "Greet_Me-2.0.0+cu1-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    entry = _wheel_entry(path, Store(tmp_path / "store"))
    assert (entry.name, entry.version, entry.filename) == ("greet-me", "2.0.0+cu1", path.name)

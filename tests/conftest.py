"""What the tests share: one store with the real images, one Docker daemon, the shared data.

Both are started or filled by the tests themselves; nothing is skipped for want of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reprun.data import transfer
from reprun.engines.docker import DockerEngine
from reprun.errors import EngineError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.http_server import Server, misbehaving_server

ROOT = Path(__file__).resolve().parents[1]
DAEMON_SECONDS = 60
# No test asserts a time: how long an example takes is the machine's, which others may use.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")

SHARED = ("blobs", "holds", "incoming", "reana-client", "roots", "stamps", "unpacked")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a Docker daemon: every test that asks for its address."""
    for item in items:
        if isinstance(item, pytest.Function) and "docker_url" in item.fixturenames:
            item.add_marker(pytest.mark.docker)


def pytest_configure() -> None:
    """Let output be as wide as in a pipe: the workers of xdist are given the terminal's width."""
    os.environ.pop("COLUMNS", None)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The project's own images."""
    return Catalogue(ROOT / "images")


@pytest.fixture(scope="session")
def store() -> Store:
    """A store that lives on between test runs, so that images are fetched once."""
    named = os.environ.get("REPRUN_TEST_STORE")
    shared = Path(named) if named else ROOT / "build" / "test-store"
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return Store(shared)
    # Tests that run side by side share what is large and look for containers of their own alone.
    own = shared.with_name(f"{shared.name}-{worker}")
    own.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        (shared / name).mkdir(parents=True, exist_ok=True)
        if not (own / name).is_symlink():
            (own / name).symlink_to((shared / name).resolve())
    return Store(own)


@pytest.fixture(scope="session")
def columnar(catalogue: Catalogue, store: Store) -> Image:
    """The real image `columnar`, fetched and built where it is not there yet."""
    return ensure(catalogue.locked("columnar"), catalogue, store, Silent())


@pytest.fixture(scope="session")
def docker_url(store: Store) -> Iterator[str]:
    """The address of a Docker daemon: `DOCKER_HOST`, or one of our own for this session."""
    if given := os.environ.get("DOCKER_HOST"):
        yield given
        return
    program = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin")
    if program is None:
        pytest.fail("dockerd is missing: apt-get install docker.io")
    home = Path(tempfile.mkdtemp(prefix="reprun-docker-"))
    url = f"unix://{home / 'docker.sock'}"
    log = (home / "log").open("wb")
    daemon = subprocess.Popen(
        [
            *(program, "--host", url),
            *("--data-root", str(home / "data"), "--exec-root", str(home / "exec")),
            *("--pidfile", str(home / "pid"), "--bridge", "none", "--iptables=false"),
            *("--ip-forward=false", "--ip-masq=false"),
        ],
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + DAEMON_SECONDS
        while not _answers(url, store):
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dockerd does not start:\n{(home / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield url
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(DAEMON_SECONDS)
        log.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "store")


@pytest.fixture
def no_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask neither a mirror nor a proxy of the environment."""
    for name in ("REPRUN_MIRRORS", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait between the attempts of a transfer."""
    monkeypatch.setattr(transfer, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server that misbehaves."""
    with misbehaving_server() as running:
        yield running


def _answers(url: str, store: Store) -> bool:
    try:
        DockerEngine(store, base_url=url).self_check()
    except EngineError:
        return False
    return True

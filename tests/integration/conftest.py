"""What the integration tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reprun.digests import sha256_file
from reprun.images.model import Image
from reprun.store.store import Store
from tests.images_support import wheel_bytes
from tests.integration.host import ANALYSIS, MAKE, PRECIOUS, Host
from tests.integration.shell import ROOT, Shell
from tests.loopback import serving
from tests.ordinary_user import (
    BECOME,
    environment_of_the_user,
    give,
    home_of_the_user,
    share,
    store_of_the_user,
)
from tests.projects import mark_project

WHEELS = {
    "answers": ("1.0", "packaging>=20"),
    "stubborn": ("3.1", "numpy<2"),
    "vector": ("1.6", "packaging>=20"),
}


@pytest.fixture
def shell(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A shell in an empty directory; the image columnar is in its store."""
    return Shell(tmp_path, store, {})


@dataclass(frozen=True)
class User:
    """An ordinary user of the machine."""

    home: Path
    store: Store
    python: str


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, store: Store, columnar: Image) -> Path:
    """A directory with an analysis that is honest so far, blessed."""
    home = tmp_path_factory.mktemp("honest")
    project = mark_project(home / "project")
    shell = Shell(home, store, {"REPRUN_PROJECT": str(project)})
    (project / ".git").mkdir()
    (project / "images").symlink_to(ROOT / "images")
    digest = store.add_file(shell.write("numbers.csv", "all,102\n"))
    text = ANALYSIS.replace("DIGEST", digest.removeprefix("sha256:"))
    shell.write("project/examples/tiny/analysis.yaml", text)
    shell.write("project/examples/tiny/make.py", MAKE)
    shell.write("project/examples/tiny/sub/helper.py", "answer = 42\n")
    shell.write("outside/precious.txt", PRECIOUS)
    shell.write("outside/project/work.txt", PRECIOUS)
    host = Host(shell, home / "outside")
    host.analysis_is()
    host.run(code=5)
    shell.reprun("bless", "tiny", "--reason", "counted by hand", "--author", "the tests")
    assert "✓ reproduced" in host.run(code=0)
    return home


@pytest.fixture(scope="session")
def user(store: Store, columnar: Image) -> Iterator[User]:
    """An ordinary user with a store and a Python environment."""
    with home_of_the_user(store.root.parent) as home:
        own = store_of_the_user(home / "store", columnar, store)
        yield User(home, own, environment_of_the_user(home))


@pytest.fixture
def host(
    request: pytest.FixtureRequest, tmp_path: Path, store: Store, honest: Path
) -> Iterator[Host]:
    """A host of its own for each test, with runc or what the test names; afterwards it is whole."""
    match getattr(request, "param", "runc"):
        case "runc":
            yield from _attacked(Host.of(honest, tmp_path / "home", store))
        case "docker":
            url = request.getfixturevalue("docker_url")
            host = Host.of(honest, tmp_path / "home", store)
            host.engine = "docker"
            host.shell.variables["DOCKER_HOST"] = url
            host.options = ("--engine", "docker")
            yield from _attacked(host)
        case "rootless":
            user: User = request.getfixturevalue("user")
            share(sha256_file(honest / "numbers.csv"), store, user.store)
            with home_of_the_user(user.home) as home:
                host = Host.of(honest, home / "home", user.store)
                host.engine = "rootless"
                give(home)
                host.shell.variables["HOME"] = str(home)
                host.prefix, host.python, host.give = BECOME, user.python, give
                yield from _attacked(host)


def _attacked(host: Host) -> Iterator[Host]:
    digest = sha256_file(host.shell.directory / "numbers.csv")
    yield host
    host.is_whole()
    blob = host.shell.store.blob_path(digest)
    assert sha256_file(blob) == digest
    assert blob.stat().st_mode & 0o777 == 0o444


class Quiet(SimpleHTTPRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Stay silent."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index that has two wheels and nothing else; pip and uv are set to it."""
    home = tmp_path / "simple"
    for name, (version, needs) in WHEELS.items():
        info = f"{name}-{version}.dist-info"
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {needs}"
        )
        data = wheel_bytes(
            {
                f"{name}/__init__.py": b"import packaging\nanswer = 42\n",
                f"{info}/METADATA": f"{metadata}\n\ntext\n".encode(),
                f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            }
        )
        (home / name).mkdir(parents=True)
        (home / name / f"{name}-{version}-py3-none-any.whl").write_bytes(data)
    handler = partial(Quiet, directory=str(tmp_path))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        url = f"http://127.0.0.1:{server.server_port}/simple"
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", url)
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        monkeypatch.setenv("UV_NO_CACHE", "1")
        for variable in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield home

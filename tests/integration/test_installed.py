"""The wheel, installed where no checkout is: a project made, an analysis written, both run.

Offline, as an ordinary user, from a store that holds the image.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from reprun.images.model import Image
from reprun.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
USER = 65534
SECONDS = 600
PAGE = (ROOT / "docs" / "install.md").read_text()
HIDDEN = ("src", "images", "examples", "docs", "tests")
# `env`, because setpriv itself keeps the rights of root until it has started something.
BECOME_USER = f"""
for part in {" ".join(HIDDEN)}; do mount -t tmpfs none "$0/$part" || exit 90; done
# The user's directory is below the store's, and so below a checkout: that is no project of theirs.
above=$PWD
while [ "$above" != / ]; do
    [ ! -f "$above/reprun.toml" ] || [ "$above" = "$PWD" ] ||
        mount --bind /dev/null "$above/reprun.toml" || exit 90
    above=$(dirname "$above")
done
exec setpriv --reuid={USER} --regid={USER} --clear-groups env "$@"
"""
AS_USER = ("unshare", "--net", "--mount", "sh", "-c", BECOME_USER, str(ROOT))
"""Root can take network and checkout away and become nobody; a user is tested as who they are."""


HELLO = """\
version: "0.9"
workflow:
  type: serial
  specification:
    steps:
      - environment: columnar
        commands:
          - echo hello > hello.txt
outputs:
  files: [hello.txt]
"""


@dataclass(frozen=True)
class User:
    """Types commands in a directory of their own, with nothing of ours but an environment."""

    environment: Path
    home: Path
    directory: Path

    def __call__(
        self, *command: str, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; fail unless it ends with `code`."""
        prefix = AS_USER if os.geteuid() == 0 else ()
        done = subprocess.run(
            [*prefix, *command],
            cwd=self.directory,
            env={
                "PATH": f"{self.environment / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": str(self.home),
                "REPRUN_STORE": str(self.home / "store"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if done.returncode != code:
            pytest.fail(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def reprun(
        self, *arguments: str, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the installed `reprun`."""
        return self("reprun", *arguments, code=code, **variables)

    def within(self, name: str) -> User:
        """Return the same user in a directory below."""
        return replace(self, directory=self.directory / name)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = directory.iterdir()
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Iterator[Path]:
    """A fresh environment with the wheel, under a Python that an ordinary user may start."""
    directory = Path(tempfile.mkdtemp(prefix="reprun-installed-"))
    directory.chmod(0o755)
    interpreter = next(
        python
        for python in (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3")
        if _may_be_started(python)
    )
    made = directory / "environment"
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(made)], check=True)
    install = [*(sys.executable, "-m", "pip", "--python", str(made / "bin" / "python"))]
    install += ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    # The dependencies are those of the test environment, by path: a hundred packages are not
    # downloaded again. Its own reprun is installed editable, through a .pth file, which is read
    # in site directories only: it is not importable from there.
    (site,) = (made / "lib").glob("python*/site-packages")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{packages}\n")
    yield made
    shutil.rmtree(directory)


def _may_be_started(python: str) -> bool:
    prefix = AS_USER if os.geteuid() == 0 else ()
    command = [*prefix, python, "-c", "import venv, sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0


@pytest.fixture
def user(environment: Path, columnar: Image, store: Store) -> Iterator[User]:
    """An ordinary user in an empty directory; the parts of the image are in their store."""
    home = Path(tempfile.mkdtemp(prefix="reprun-user-", dir=store.root.parent))
    own = Store(home / "store")
    for digest in (columnar.image_id, columnar.manifest, *(one.digest for one in columnar.layers)):
        target = own.blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(store.blob_path(digest), target)
    (home / "work").mkdir()
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            if path.is_dir():
                os.chown(path, USER, USER)
    yield User(environment, home, home / "work")
    shutil.rmtree(home)


def test_the_wheel_carries_what_is_needed_at_run_time_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    home = "reprun/packaged_images/"
    packaged = {name.removeprefix(home) for name in names if name.startswith(home)}
    kept = ("image.toml", "image.lock", "debs.lock", "wheels.lock", "external.lock")
    committed = {
        str(path.relative_to(ROOT / "images"))
        for path in (ROOT / "images").rglob("*")
        if path.name in kept
    }
    assert packaged == committed
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"reprun", "snakemake_executor_plugin_reprun"}


def test_from_an_empty_directory_to_two_verdicts(user: User) -> None:
    where = user("python", "-c", "import reprun; print(reprun.__file__)").stdout.strip()
    assert Path(where).is_relative_to(user.environment)
    told = user.reprun("init", "my-analyses").stdout
    assert f"$ reprun init my-analyses\n{told}```" in PAGE
    home = user.within("my-analyses")
    told = home.reprun("run", "dimuon").stdout
    assert "reproduced: 4 objects, all identical" in told
    # Which limits runc can set for an ordinary user depends on the host.
    shown = re.sub(r"^note: runc did not enforce: .*\n", "", told, flags=re.MULTILINE)
    assert f"$ reprun run dimuon\n{shown}```" in PAGE

    rng = np.random.default_rng(2012)
    masses = rng.normal(91.2, 2.5, 500)
    with uproot.recreate(user.home / "events.root") as file:
        file["events"] = {"mass": masses}
    told = home.reprun("new", "zpeak", "--from", str(user.home / "events.root")).stdout
    assert "analyses/zpeak: tree events with 500 events" in told
    assert told.endswith("next: reprun run zpeak\n")
    first = home.reprun("run", "zpeak", code=5).stdout
    assert 'try: reprun bless zpeak --reason "…"' in first
    home.reprun("bless", "zpeak", "--reason", "as generated", "--author", "the tests")
    assert "reproduced: 2 objects, all identical" in home.reprun("run", "zpeak").stdout
    rows = json.loads(home.reprun("matrix", "--format", "json").stdout)
    assert {cell["state"] for cell in rows["cells"]} == {"reproduced"}

    # The images of the package stand beside those of one's own, and keep their names.
    own = home.directory / "images" / "columnar"
    packaged = user.environment.resolve()
    (place,) = packaged.glob("lib/python*/site-packages/reprun/packaged_images/columnar")
    user("mkdir", "-p", str(own.parent))
    user("cp", "-r", str(place), str(own.with_name("mine")))
    text = (own.with_name("mine") / "image.toml").read_text()
    assert 'name = "columnar"' in text
    user("sed", "-i", 's/^name = .*/name = "mine"/', str(own.with_name("mine") / "image.toml"))
    user("rm", str(own.with_name("mine") / "image.lock"))
    error = home.reprun("images", "show", "mine", code=2).stderr
    assert "image 'mine' is not locked" in error
    user("cp", "-r", str(place), str(own))
    error = home.reprun("run", "dimuon", code=2).stderr
    assert f"there are two images 'columnar': the second is {place}" in error


def test_one_off_use_needs_no_project(user: User) -> None:
    for name, entries in {"one": [1, 2], "other": [1, 2], "third": [1, 3]}.items():
        with uproot.recreate(user.home / f"{name}.root") as file:
            file["h"] = np.array(entries, dtype=float), np.array([0.0, 1.0, 2.0])
    one, other, third = (str(user.home / f"{n}.root") for n in ("one", "other", "third"))
    assert "the files agree: 1 object, identical" in user.reprun("compare", one, other).stdout
    user.reprun("compare", one, third, code=1)

    images = json.loads(user.reprun("images", "list", "--format", "json").stdout)["images"]
    assert "columnar" in {each["name"] for each in images}
    assert "numpy" in user.reprun("images", "show", "columnar").stdout
    assert "CycloneDX" in user.reprun("images", "sbom", "columnar").stdout
    assert "image columnar:" in user.reprun("doctor", "--image", "columnar").stdout
    error = user.reprun("images", "lock", "columnar", code=2).stderr
    assert "image 'columnar' comes with reprun and is read-only" in error
    shown = error.replace(str(user.environment.resolve()), "/home/me/reprun")
    assert f"$ reprun images lock columnar\n{shown}```" in PAGE

    for command in (("list",), ("run", "dimuon"), ("new", "a", "--from", one)):
        error = user.reprun(*command, code=2).stderr
        assert f"no reprun project here: neither {user.directory} nor a directory above" in error
        assert error.endswith("  try: reprun init my-analyses\n")
    shown = error.replace(str(user.directory), "/home/me")
    assert f"$ reprun list\n{shown}```" in PAGE
    assert list(user.directory.iterdir()) == []

    reana = user.home / "hello"
    reana.mkdir()
    (reana / "reana.yaml").write_text(HELLO)
    assert "✓ hello passed: 1 output there" in user.reprun("run", str(reana)).stdout

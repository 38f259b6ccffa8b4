"""CONTRIBUTING.md, followed by a stranger: an engine, a statistic and an image, as written there.

The code blocks of the document are applied to a copy of the sources, which then runs.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reprun.histograms import Axis, Histogram, write_histograms
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

pytestmark = pytest.mark.slow

BLOCK = re.compile(
    r"^<!-- (?P<kind>file|patch): (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def pieces(patch: str) -> list[tuple[str, str]]:
    """Return the changes of a patch, which blank lines separate, as old and new text."""
    found = []
    for part in patch.strip("\n").split("\n\n"):
        lines = part.splitlines()
        old, new = ([line[1:] for line in lines if line[0] in marks] for marks in ("- ", "+ "))
        found.append(("\n".join(old) + "\n", "\n".join(new) + "\n"))
    return found


def apply(section: str, home: Path) -> list[str]:
    """Do what a section of the document says; return the files that it touches."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    touched = []
    for block in BLOCK.finditer(part):
        place = home / block["path"]
        if block["kind"] == "file":
            assert not place.exists()
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block["text"])
        else:
            edit(place, block["text"])
        touched.append(block["path"])
    return touched


def edit(place: Path, patch: str) -> None:
    source = place.read_text()
    for old, new in pieces(patch):
        assert source.count(old) == 1, f"{place.name} has not exactly one:\n{old}"
        source = source.replace(old, new)
    place.write_text(source)


@pytest.fixture
def stranger(tmp_path: Path, store: Store) -> Shell:
    """A shell with a copy of the sources that it may edit."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return Shell(tmp_path, store, {"PYTHONPATH": str(tmp_path / "src")})


def checked(shell: Shell) -> str:
    """Return what mypy says of the copy, with the project's own settings."""
    settings = (str(ROOT / "pyproject.toml"), "--cache-dir", str(shell.directory / ".mypy_cache"))
    command = (sys.executable, "-m", "mypy", "--config-file", *settings)
    return shell(*command, "--package", "reprun", code=None, MYPYPATH="src").stdout


def test_an_engine(stranger: Shell) -> None:
    touched = apply("Adding an engine", stranger.directory)
    assert touched == ["src/reprun/engines/dummy.py", "src/reprun/engines/choose.py"]
    script = """
import threading
from pathlib import Path
from reprun.engines.base import ContainerJob
from reprun.engines.choose import ENGINES, choose_engine
from reprun.images.model import Image
from reprun.store.store import Store

assert "dummy" in ENGINES
engine, status = choose_engine("dummy", Store(Path("store")))
job = ContainerJob(Image("i", "sha256:0", "sha256:1", (), {}), ("echo", "hello"))
heard = bytearray()
result = engine.run(job, stdout=heard.extend, stderr=heard.extend, cancel=threading.Event())
print(status.name, result.exit_code, heard.decode(), end="")
"""
    assert stranger(sys.executable, "-c", script).stdout == "dummy 0 echo hello\n"


def test_a_statistic(stranger: Shell) -> None:
    touched = apply("Adding a statistic", stranger.directory)
    assert touched == [
        "src/reprun/compare/statistics/cramer.py",
        "src/reprun/documents/analysis.py",
        "src/reprun/compare/statistics/suite.py",
    ]
    axis = Axis.regular(20, 0.0, 10.0)
    flow = np.concatenate(([-np.inf], axis.edges, [np.inf]))
    for name, mean in (("one", 5.0), ("same", 5.0), ("shifted", 6.0)):
        x = np.random.default_rng(len(name)).normal(mean, 1.5, 2000)
        values = np.histogram(x, flow)[0].astype(np.float64)
        write_histograms(stranger.directory / f"{name}.json", [Histogram("m", (axis,), values)])
    for other, code in (("same", 0), ("shifted", 1)):
        rule = "match=*,kind=sampled,tests=yield+cvm"
        done = stranger.reprun(
            *("compare", "one.json", f"{other}.json", "--rule", rule, "--format", "json"), code=code
        )
        (item,) = json.loads(done.stdout)["items"]
        assert [check["name"] for check in item["checks"]][-2:] == ["yield", "cvm"]


@pytest.mark.usefixtures("index", "columnar")
def test_an_image_that_extends_another(stranger: Shell, store: Store) -> None:
    mark_project(stranger.directory)
    (stranger.directory / "examples").mkdir()
    shutil.copytree(ROOT / "images" / "columnar", stranger.directory / "images" / "columnar")
    assert apply("Deriving an image", stranger.directory) == ["images/mine/image.toml"]
    shell = replace(stranger, variables={"REPRUN_MIRRORS": str(store.root)})
    shell = replace(shell, variables=shell.variables | {"REPRUN_PROJECT": str(shell.directory)})
    locked = shell.reprun("images", "lock", "mine").stdout
    built = shell.reprun("images", "build", "mine", "--check-twice").stdout
    assert built.split()[1] == locked.split()[1]
    listed = shell.reprun("images", "list").stdout
    assert "(extends columnar)" in listed


def test_what_is_forgotten_is_found_by_mypy(stranger: Shell) -> None:
    """Only the names are added, to both lists: each `match` that lacks them is reported."""
    for path, old, new in (
        ("engines/choose.py", '"runc", "docker"]', '"runc", "docker", "dummy"]'),
        ("documents/analysis.py", '"ks", "ad"]', '"ks", "ad", "cvm"]'),
    ):
        place = stranger.directory / "src" / "reprun" / path
        text = place.read_text()
        assert text.count(old) == 1
        place.write_text(text.replace(old, new))
    said = checked(stranger)
    for path, name in (("engines/choose.py", "dummy"), ("compare/statistics/suite.py", "cvm")):
        pattern = rf"{re.escape(path)}:\d+: error: .*assert_never.*'{name}'"
        assert re.search(pattern, said), said

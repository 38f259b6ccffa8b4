"""Every script of benchmarks/ starts and prints a figure, in a size that takes seconds.

No time is asserted: what is held is that a benchmark which broke is seen before somebody needs it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.real_data import shared_data

SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))
FIGURE = re.compile(r"\d ?(?:s|ms|MB|MiB|x|%)(?![a-z])")
NEEDS = {"dimuon.py": ("root-6.40",)}
"""Images that a benchmark runs in beside columnar."""


@pytest.fixture
def measuring(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A shell in which the data of the examples are found."""
    return Shell(tmp_path, store, {"REPRUN_MIRRORS": str(shared_data())})


def benchmark(shell: Shell, script: Path) -> str:
    """Return what a benchmark prints in its tiny size; fail if it fails or prints no figure."""
    printed = shell(sys.executable, str(script), "--tiny").stdout
    if FIGURE.search(printed) is None:
        pytest.fail(f"{script.name} prints no figure:\n{printed}")
    return printed


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_starts(
    measuring: Shell, catalogue: Catalogue, store: Store, script: str
) -> None:
    for image in NEEDS.get(script, ()):
        ensure(image, catalogue, store, Silent())
    benchmark(measuring, ROOT / "benchmarks" / script)


@pytest.mark.parametrize(
    "text", ["print('done')", "import statistics_of_ours\nprint('1 s')"], ids=["silent", "broken"]
)
def test_a_benchmark_that_measures_nothing_is_seen(measuring: Shell, text: str) -> None:
    script = measuring.write("broken.py", text)
    with pytest.raises(pytest.fail.Exception, match=r"prints no figure|ended with 1"):
        benchmark(measuring, script)


def test_no_benchmark_hides_a_module_of_python() -> None:
    """A script's directory comes first in sys.path: `statistics.py` hid Python's own."""
    assert [name for name in SCRIPTS if Path(name).stem in sys.stdlib_module_names] == []

"""The committed tables of cms-h4l are what its script extracts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.shell import ROOT
from tests.real_data import shared_data

EXAMPLE = ROOT / "examples" / "cms-h4l"


@pytest.fixture
def original() -> Path:
    """The original files, which are never part of the repository."""
    return shared_data() / "cms-h4l"


def test_extraction_writes_the_committed_bytes(original: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, EXAMPLE / "extract.py", original, "--output", tmp_path],
        check=True,
        capture_output=True,
    )
    for name in ("candidates.csv", "templates.csv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLE / "data" / name).read_bytes(), name

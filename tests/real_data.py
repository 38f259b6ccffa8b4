"""The shared data files that some tests read: never committed, never silently absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HISTOGRAMS = Path(__file__).parents[1].parent / "shared" / "data" / "cms-h4l" / "histograms"


def real_file(name: str) -> Path:
    """Return a CMS H->4l histogram file of the shared data: in CI its absence is a failure."""
    path = HISTOGRAMS / name
    if not path.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing, and CI must not pass without it")
        pytest.skip(f"the shared data are not here: {path}")
    return path

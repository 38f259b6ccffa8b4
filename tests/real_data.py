"""The shared data files that some tests read: never committed, never silently absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def shared_data() -> Path:
    """Return the directory of the shared data: in CI its absence is a failure."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED} is missing, and CI must not pass without it")
        pytest.skip(f"the shared data are not here: {SHARED}")
    return SHARED


def real_file(name: str) -> Path:
    """Return a CMS H->4l histogram file of the shared data."""
    path = shared_data() / "cms-h4l" / "histograms" / name
    assert path.is_file()
    return path


def shared_case(name: str) -> Path:
    """Return the directory of a shared case: a small input, and what should come out."""
    place = shared_data().parent / "cases" / name
    assert place.is_dir()
    return place

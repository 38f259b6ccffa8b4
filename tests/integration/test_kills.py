"""A few strikes of the kill campaign; `make kill-campaign` has a thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.kill_campaign import campaign

STRIKES = 10


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(
    tmp_path: Path, store: Store, columnar: Image
) -> None:
    assert columnar.layers
    assert campaign(tmp_path, store, STRIKES, 1, print).total() == STRIKES

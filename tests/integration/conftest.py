"""What the integration tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A shell in an empty directory; the image columnar is in its store."""
    return Shell(tmp_path, store, {})

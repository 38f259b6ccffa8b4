"""Whatever steps leave in a workspace, the host reads and changes nothing outside of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reprun.workflow.beneath import Beneath
from tests.hostile_workspaces import check_all

SOME = 120


@pytest.mark.parametrize("first", [1, 41, 81])
@pytest.mark.slow
def test_nothing_gets_out_and_nothing_gets_in(first: int) -> None:
    check_all(first, SOME // 3)


@pytest.mark.slow
def test_a_host_that_follows_links_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(self: Beneath, path: str, target: Path) -> str:
        if (self.root / path).is_file() and (self.root / path).stat().st_size < 1 << 20:
            shutil.copyfile(self.root / path, target)
        return ""

    monkeypatch.setattr(Beneath, "copy", naive)
    with pytest.raises(AssertionError):
        check_all(1, 2000)

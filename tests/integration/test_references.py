"""References as other programs see them, and blessed in parts in the sandbox."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reprun.progress import Silent
from reprun.runs.elsewhere import Publishing
from reprun.runs.reference_check import check_references
from reprun.store.store import Store
from tests.unit.bench import SECOND, Bench, blessed_bench

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> Bench:
    return blessed_bench(tmp_path, monkeypatch, store)


def sha256sum(directory: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["sha256sum", "-c", "--ignore-missing", "SHA256SUMS"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_part_is_blessed_in_a_sandbox_of_a_reference_that_is_elsewhere(bench: Bench) -> None:
    bench.bless(publishing=Publishing(str(bench.root / "shared"), 100))
    assert sha256sum(bench.reference) == (0, "t.csv: OK\nu.csv: OK\n")
    report = bench.runs(SECOND)
    assert report is not None
    assert report.counts == {"identical": 5, "changed": 3}
    bench.bless(only=["FAILED"], publishing=Publishing(str(bench.root / "shared"), 100))
    report = bench.runs(SECOND)
    assert report is not None
    assert report.reproduced
    (checked,) = check_references(bench.home, "demo", bench.store, Silent())
    assert checked.files == 4
    assert sha256sum(bench.reference) == (0, "t.csv: OK\nu.csv: OK\n")
    (bench.reference / "u.csv").write_text("row,value\nx,21\n")
    assert sha256sum(bench.reference) == (1, "t.csv: OK\nu.csv: FAILED\n")

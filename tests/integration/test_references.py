"""References as other programs see them, and blessed in parts in the sandbox."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reprun.errors import InputsGoneError, IntegrityError
from reprun.progress import Silent
from reprun.runs.elsewhere import Publishing, bring_reference
from reprun.runs.reference_check import check_references
from reprun.runs.reference_sums import absent
from reprun.store.store import Store
from tests.integration.registry import running_registry
from tests.unit.bench import SECOND, Bench, blessed_bench

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> Bench:
    return blessed_bench(tmp_path, monkeypatch, store)


def test_a_registry_has_what_is_not_in_git(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "registry"
    home.mkdir()
    with running_registry(home) as host:
        place = f"{host}/ours/references"
        bench.bless(publishing=Publishing(f"oci://{place}", 100))
        known = bench.blessing().elsewhere
        assert {one.registries for one in known.values()} == {(place,)}
        digests = absent(bench.reference)
        assert len(digests) == 2
        fresh = Store(tmp_path / "fresh")
        assert bring_reference(bench.reference, fresh, Silent()) == digests
        assert all(fresh.verify(digest) for digest in digests.values())
        bench.bless(publishing=Publishing(f"oci://{place}", 100))  # they are there already
        bench.bless()
        assert bench.blessing().elsewhere == known
        # What is not there is an error, as what has other bytes.
        blobs = [path for path in home.rglob("data") if path.is_file()]
        for path in blobs:
            path.write_bytes(path.read_bytes().replace(b"1", b"2"))
        with pytest.raises(IntegrityError, match="the bytes have sha256") as error:
            bring_reference(bench.reference, Store(tmp_path / "other"), Silent())
        assert f"documents.json of the reference, from {place}: " in error.value.message
        assert str(error.value.hint).startswith("export REPRUN_MIRRORS=DIRECTORY")
    with pytest.raises(InputsGoneError, match="cannot be reached"):
        bring_reference(bench.reference, Store(tmp_path / "other"), Silent())


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

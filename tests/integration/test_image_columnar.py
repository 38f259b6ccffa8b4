"""The committed image `columnar`, built from the real archives and run under runc."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprun.images.builder.build import build
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.builder.resolve import resolve_debs
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.lock import verify
from reprun.images.model import Image
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.container import run_in

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue(REPOSITORY / "images")
IMPORTS = (
    "import uproot, awkward, hist, numpy, scipy.stats, matplotlib.pyplot, mplhep, correctionlib, "
    "vector, iminuit, pyarrow.parquet"
)
WORK = """
import awkward, hist, json, matplotlib, mplhep, numpy, uproot
matplotlib.use("Agg")
import matplotlib.pyplot as plt
masses = numpy.linspace(70, 181, 1000)
h = hist.Hist.new.Reg(37, 70, 181, name="m4l").Weight().fill(masses)
with uproot.recreate("/tmp/out.root") as file:
    file["h"] = h
    file["t"] = {"m": masses}
assert (uproot.open("/tmp/out.root")["h"].values(flow=True) == h.values(flow=True)).all()
awkward.to_parquet(awkward.Array({"m": [[1.0, 2.0], []]}), "/tmp/out.parquet")
assert awkward.from_parquet("/tmp/out.parquet").m.to_list() == [[1.0, 2.0], []]
figure, axes = plt.subplots()
mplhep.style.use("CMS")
mplhep.histplot(h, ax=axes)
figure.savefig("/tmp/out.png")
print(json.dumps(h.values(flow=True).sum()))
"""


@pytest.fixture(scope="session")
def store() -> Store:
    """A store that outlives the session, so that inputs are fetched once."""
    named = os.environ.get("REPRUN_TEST_STORE")
    return Store(Path(named) if named else REPOSITORY / "build" / "test-store")


@pytest.fixture(scope="session")
def columnar(store: Store) -> Image:
    """The locked image in the store."""
    return ensure("columnar", CATALOGUE, store, Silent())


@pytest.fixture(scope="session")
def bundle_home() -> Iterator[Path]:
    """A directory for runc's bundles."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def test_it_is_built_into_the_locked_image(columnar: Image, store: Store, tmp_path: Path) -> None:
    """Inputs from the real archives (or the store), built again in an empty store."""
    definition = CATALOGUE.definition("columnar")
    other = Store(tmp_path / "store")
    fetch(definition, other, Silent(), Sources(mirrors=(str(store.root),), index=False))
    built = build(definition, other, Silent())
    assert built.lock == CATALOGUE.lock("columnar")
    assert built.image == columnar
    assert all("set-ID" in sentence for sentence in built.dropped)
    assert verify("columnar", CATALOGUE, store) == columnar


def test_the_debian_archive_still_has_every_locked_package(tmp_path: Path) -> None:
    """From the archive itself, not from the store: says which packages are gone, if any."""
    from dataclasses import replace  # noqa: PLC0415

    definition = CATALOGUE.definition("columnar")
    empty = replace(definition, directory=tmp_path / "columnar")
    empty.directory.mkdir()
    empty.debs_lock.write_bytes(definition.debs_lock.read_bytes())
    empty.wheels_lock.write_text("")
    fetch(empty, Store(tmp_path / "store"), Silent(), Sources.from_environment())


def test_apt_resolves_the_packages_that_are_locked() -> None:
    """The lock is what resolution gives today; after a point release it is to be renewed."""
    definition = CATALOGUE.definition("columnar")
    resolved = resolve_debs(definition, Sources.from_environment(), Silent())
    assert [entry.name for entry in resolved] == [entry.name for entry in definition.debs]


def test_it_imports_and_works_under_runc(columnar: Image, store: Store, bundle_home: Path) -> None:
    done = run_in(columnar, store, bundle_home, ["python3", "-c", IMPORTS])
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    done = run_in(columnar, store, bundle_home, ["python3", "-W", "error", "-c", WORK])
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("1000.0", "", 0)


def test_shell_tools_that_workflows_use_are_there(
    columnar: Image, store: Store, bundle_home: Path
) -> None:
    script = (
        "set -euo pipefail; for tool in awk cat cut diff find grep gzip head mkdir python "
        "python3 sed sha256sum sort tail tar tee touch tr wc which; do command -v $tool; done "
        "> /dev/null; id -u; touch /usr/x 2> /dev/null || echo read-only"
    )
    done = run_in(columnar, store, bundle_home, ["bash", "-c", script])
    uid = "0" if os.geteuid() else "4242"
    assert (done.stdout.split(), done.stderr) == ([uid, "read-only"], "")


def test_dpkg_and_importlib_see_what_is_installed(
    columnar: Image, store: Store, bundle_home: Path
) -> None:
    definition = CATALOGUE.definition("columnar")
    script = (
        "import importlib.metadata as m, re; print(*sorted("
        "re.sub(r'[-_.]+', '-', d.metadata['Name']).lower() + '=' + d.version "
        "for d in m.distributions()))"
    )
    done = run_in(columnar, store, bundle_home, ["python3", "-c", script])
    locked = [f"{wheel.name}={wheel.version}" for wheel in definition.wheels]
    assert done.stdout.split() == sorted(locked)
    done = run_in(
        columnar, store, bundle_home, ["dpkg-query", "-W", "-f", "${Package}=${Version}\n"]
    )
    assert sorted(done.stdout.split()) == sorted(f"{d.name}={d.version}" for d in definition.debs)
    done = run_in(columnar, store, bundle_home, ["dpkg-query", "-S", "/bin/bash"])
    assert done.stdout.strip() == "bash: /bin/bash"


def test_every_package_keeps_its_copyright(columnar: Image, store: Store) -> None:
    root = unpacked_root(columnar, store)
    for deb in CATALOGUE.definition("columnar").debs:
        assert (root / "usr/share/doc" / deb.name / "copyright").is_file(), deb.name

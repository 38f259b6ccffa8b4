"""The real podman and skopeo take our images, and reprun takes what they write."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from reprun.digests import PREFIX, sha256_bytes
from reprun.engines.base import ContainerJob
from reprun.engines.runc import RuncEngine
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.lock import verify
from reprun.images.model import Image
from reprun.images.oci.logins import VARIABLE
from reprun.images.oci.registry import Registry, parse_reference
from reprun.images.transfer import export_file, import_file
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import Kitchen, external_toml, tiny
from tests.strict_registry import MANIFEST, basic, registry

pytestmark = pytest.mark.podman

SECONDS = 120
JOB = "import os, pyhepmc, sys; print(os.getcwd(), sys.version, pyhepmc.__version__)"


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory that is gone after the test: unpacked images are large."""
    with tempfile.TemporaryDirectory(prefix="reprun-podman-") as directory:
        yield Path(directory)


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    """A locked and built image."""
    kitchen = tiny(tmp_path)
    kitchen.locked()
    return kitchen


def said_by(*command: str) -> str:
    """Run a command that must be there and must succeed; return what it prints."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: apt-get install {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def copy(*words: str) -> None:
    """Copy an image with skopeo; signatures of registries are not what is tested here."""
    said_by("skopeo", "copy", "--quiet", "--insecure-policy", *words)


def exported(image: Image, store: Store, directory: Path) -> tuple[Path, Path]:
    """Return the image as an archive and as a layout."""
    archive, layout = directory / "image.tar", directory / "layout"
    export_file(image, store, archive)
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    return archive, layout


def test_skopeo_reads_our_layout_and_keeps_the_digests(made: Kitchen, scratch: Path) -> None:
    image = Catalogue(made.directory).locked("tiny")
    archive, layout = exported(image, made.store, scratch)
    for source in (f"oci:{layout}", f"oci-archive:{archive}"):
        seen = json.loads(said_by("skopeo", "inspect", source))
        assert seen["Digest"] == image.manifest
        assert seen["Layers"] == [layer.digest for layer in image.layers]
        assert seen["Env"] == [f"{key}={value}" for key, value in image.environment.items()]
    copy(f"oci:{layout}", f"dir:{scratch / 'dir'}")
    assert sha256_bytes((scratch / "dir/manifest.json").read_bytes()) == image.manifest
    copy(f"docker-archive:{archive}", f"docker-archive:{scratch / 'theirs.tar'}")
    config = said_by("skopeo", "inspect", "--raw", "--config", f"oci:{layout}")
    again = f"docker-archive:{scratch / 'theirs.tar'}"
    assert sha256_bytes(config.encode()) == image.image_id
    assert said_by("skopeo", "inspect", "--raw", "--config", again) == config


@pytest.mark.parametrize("form", ["docker-archive", "oci", "oci-archive", "gzip", "zstd"])
def test_what_skopeo_writes_is_imported_as_the_same_image(
    made: Kitchen, scratch: Path, form: str
) -> None:
    image = Catalogue(made.directory).locked("tiny")
    _, layout = exported(image, made.store, scratch)
    target = scratch / "theirs"
    if form in ("gzip", "zstd"):
        packed = ("--dest-compress", "--dest-compress-format", form)
        copy(*packed, f"oci:{layout}", f"oci:{target}")
        manifest = json.loads(said_by("skopeo", "inspect", "--raw", f"oci:{target}"))
        assert all(each["mediaType"].endswith(f"+{form}") for each in manifest["layers"])
    else:
        copy(f"oci:{layout}", f"{form}:{target}")
    home = made.directory / "foreign"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("foreign", "docker.io/some/thing"))
    catalogue, other = Catalogue(made.directory), Store(scratch / "store")
    imported = import_file("foreign", target, catalogue, other, Silent())
    assert imported.image_id == image.image_id
    assert verify("foreign", catalogue, other) == imported


class Podman:
    """Podman with storage of its own, so that the host's is left alone."""

    def __init__(self, home: Path) -> None:
        # vfs and cgroupfs also work inside a container and without systemd.
        self._options = (
            *("--root", str(home / "root"), "--runroot", str(home / "run")),
            *("--tmpdir", str(home / "tmp"), "--storage-driver", "vfs"),
            *("--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"),
        )

    def __call__(self, *words: str) -> str:
        """Run a command of podman."""
        return said_by("podman", *self._options, *words)


def test_podman_has_the_same_image_and_runs_it(
    catalogue: Catalogue, store: Store, scratch: Path
) -> None:
    """From the layout and from the archive; a job in it says what it says under our engine."""
    image = ensure("generator", catalogue, store, Silent())
    archive, layout = exported(image, store, scratch)
    podman = Podman(scratch)
    pulled = podman("pull", "--quiet", f"oci:{layout}").strip()
    assert PREFIX + pulled == image.image_id
    podman("load", "--quiet", "--input", str(archive))
    seen = json.loads(podman("image", "inspect", image.image_id))[0]
    assert (PREFIX + seen["Id"], seen["Digest"]) == (image.image_id, image.manifest)
    assert seen["RootFS"]["Layers"] == [layer.digest for layer in image.layers]
    assert len(seen["RepoTags"]) == 2  # one image, whichever way it came
    argv = ["python3", "-c", JOB]
    said = podman(
        *("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--user", "4242:4242"),
        # Within what a container that the tests themselves may run in allows.
        *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
        *(image.image_id, *argv),
    )
    assert said == said_by_ours(image, store, argv)


def said_by_ours(image: Image, store: Store, argv: Sequence[str]) -> str:
    """Return what a command prints under the embedded engine."""
    out = bytearray()
    job = ContainerJob(image, argv)
    done = RuncEngine(store).run(job, stdout=out.extend, stderr=print, cancel=Event())
    assert done.exit_code == 0
    return out.decode()


@pytest.mark.parametrize("program", ["podman", "skopeo"])
def test_a_login_of_either_program_is_used(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with registry(challenge="Basic") as (host, seen):
        said_by(program, "login", "--tls-verify=false", "-u", "ada", "-p", "1", host)
        seen.clear()
        assert Registry(parse_reference(f"{host}/a/b")).resolve("v1").data == MANIFEST
    assert [authorization for _, authorization, _ in seen] == ["", basic("ada:1")]

"""Byte code beside an image: made once, used, the same bytes whoever makes it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reprun.digests import sha256_tree
from reprun.engines.base import ContainerEngine, ContainerJob
from reprun.engines.docker import DockerEngine
from reprun.engines.runc import RuncEngine
from reprun.errors import IntegrityError
from reprun.images.model import Image
from reprun.images.rootfs.bytecode import compiled
from reprun.store.store import Store


def own_store(image: Image, store: Store, root: Path) -> Store:
    """Return a store that holds the image and nothing made from it."""
    copy = Store(root)
    for digest in (image.image_id, image.manifest, *(layer.digest for layer in image.layers)):
        copy.add_file(store.blob_path(digest))
    return copy


def made_by(engine: ContainerEngine, image: Image, store: Store) -> Path:
    engine.prepare(image)
    found = compiled(image, store, lambda _: pytest.fail("it was to be made already"))
    assert found is not None
    return found[0]


def test_engines_make_the_same_byte_code(
    columnar: Image, store: Store, tmp_path: Path, docker_url: str
) -> None:
    by_runc = made_by(RuncEngine(store), columnar, store)
    other = own_store(columnar, store, tmp_path / "store")
    docker = DockerEngine(other, base_url=docker_url)
    by_docker = made_by(docker, columnar, other)
    docker.close()
    files = sha256_tree(by_runc)
    assert len(files) > 3000
    assert sha256_tree(by_docker) == files


def test_jobs_use_it_and_cannot_change_it(columnar: Image, store: Store) -> None:
    engine = RuncEngine(store)
    engine.prepare(columnar)
    script = (
        "import sys, os, uproot\n"
        "assert uproot.__cached__.startswith(sys.pycache_prefix)\n"
        "assert os.path.exists(uproot.__cached__)\n"
        "try: open(uproot.__cached__, 'wb')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    out = bytearray()
    result = engine.run(
        ContainerJob(columnar, ("python3", "-c", script), working_directory="/"),
        stdout=out.extend,
        stderr=out.extend,
        cancel=threading.Event(),
    )
    assert (result.exit_code, bytes(out)) == (0, b"Read-only file system\n")


def test_changed_byte_code_is_refused(columnar: Image, store: Store, tmp_path: Path) -> None:
    own = own_store(columnar, store, tmp_path / "store")
    directory = made_by(RuncEngine(own), columnar, own)
    victim = next(path for path in sorted(directory.rglob("*.pyc")))
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="byte code of image 'columnar'"):
        RuncEngine(own).prepare(columnar)


def test_a_failure_to_compile_only_means_slower_jobs(
    columnar: Image, store: Store, tmp_path: Path
) -> None:
    own = own_store(columnar, store, tmp_path / "store")
    assert compiled(columnar, own, lambda _: False) is None
    assert compiled(columnar, own, lambda _: False) is None

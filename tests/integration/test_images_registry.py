"""Images to and from a real registry: digests preserved, tags never trusted."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError, IntegrityError, RegistryError, SpecificationError
from reprun.images.builder.fetch import Sources
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.lock import verify
from reprun.images.model import Image
from reprun.images.oci.archive import docker_archive
from reprun.images.oci.layout import MANIFEST_TYPE
from reprun.images.oci.registry import Registry, parse_reference
from reprun.images.stored import is_stored
from reprun.images.transfer import import_file, pin, pull, push
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import Kitchen, external_toml, tiny
from tests.integration.registry import running_registry

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `host:port` of a registry that lives as long as this module's tests."""
    with running_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    """A locked and built image."""
    kitchen = tiny(tmp_path)
    kitchen.locked()
    return kitchen


def tag(host: str, repository: str, name: str, image: Image, store: Store) -> None:
    """Let a tag point to an image that has been pushed."""
    data = store.verified(image.manifest).read_bytes()
    request = urllib.request.Request(
        f"http://{host}/v2/{repository}/manifests/{name}",
        data,
        {"Content-Type": MANIFEST_TYPE},
        method="PUT",
    )
    urllib.request.urlopen(request).close()


def published(made: Kitchen, host: str, repository: str) -> Catalogue:
    """Push the image, tag it `v1`, and return a catalogue with an external entry for it."""
    catalogue = Catalogue(made.directory)
    image = catalogue.locked("tiny")
    push("tiny", f"{host}/{repository}", catalogue, made.store)
    tag(host, repository, "v1", image, made.store)
    home = made.directory / "foreign"
    home.mkdir(exist_ok=True)
    (home / "image.toml").write_text(external_toml("foreign", f"{host}/{repository}"))
    return catalogue


def test_what_is_pushed_is_pulled_by_the_same_digests(
    registry: str, made: Kitchen, tmp_path: Path
) -> None:
    catalogue = Catalogue(made.directory)
    image = catalogue.locked("tiny")
    where = push("tiny", f"{registry}/a/tiny", catalogue, made.store, record=True)
    assert where.digest == image.manifest
    assert push("tiny", f"{registry}/a/tiny", catalogue, made.store) == where
    assert catalogue.lock("tiny").published == str(where)
    other = Store(tmp_path / "other")
    assert pull("tiny", catalogue, other, Silent()) == image
    assert verify("tiny", catalogue, other) == image


def test_a_published_image_is_pulled_before_it_is_built(
    registry: str, made: Kitchen, tmp_path: Path
) -> None:
    catalogue = Catalogue(made.directory)
    push("tiny", f"{registry}/b/tiny", catalogue, made.store, record=True)
    nothing = Sources(index=False)
    image = ensure("tiny", catalogue, Store(tmp_path / "other"), Silent(), nothing)
    assert is_stored(image, Store(tmp_path / "other"))


def test_it_is_built_when_the_registry_is_gone(made: Kitchen, tmp_path: Path) -> None:
    catalogue = Catalogue(made.directory)
    lock = made.directory / "tiny" / "image.lock"
    gone = f'published = "127.0.0.1:9/tiny@{catalogue.locked("tiny").manifest}"\n'
    lock.write_text(lock.read_text().replace("\n[[layers]]", f"{gone}\n[[layers]]", 1))
    sources = Sources(mirrors=(str(made.store.root),), index=False)
    other = Store(tmp_path / "other")
    assert is_stored(ensure("tiny", catalogue, other, Silent(), sources), other)


def test_an_external_image_is_refused_until_it_is_pinned_then_runs_by_digest(
    registry: str, made: Kitchen, tmp_path: Path
) -> None:
    catalogue = published(made, registry, "c/tiny")
    image = catalogue.locked("tiny")
    other = Store(tmp_path / "other")
    with pytest.raises(SpecificationError, match=r"no digest is known.*never run by its tag") as e:
        ensure("foreign", catalogue, other, Silent())
    assert "reprun images pin foreign" in (e.value.hint or "")
    lock = pin("foreign", catalogue)
    assert (lock.image_id, lock.source) == (
        image.image_id,
        f"{registry}/c/tiny@{image.manifest}",
    )
    with pytest.raises(SpecificationError, match="is pinned but not pulled") as e:
        catalogue.locked("foreign")
    assert e.value.hint == "reprun images pull foreign"
    pulled = pull("foreign", catalogue, other, Silent())
    assert pulled.image_id == image.image_id
    assert dict(pulled.environment) == dict(image.environment)
    assert catalogue.locked("foreign") == pulled
    assert catalogue.by_reference(f"foreign@{image.image_id}") == pulled
    assert verify("foreign", catalogue, other) == pulled
    fresh = Store(tmp_path / "fresh")
    assert is_stored(ensure("foreign", catalogue, fresh, Silent()), fresh)
    assert pin("foreign", catalogue).layers == pulled.layers


def test_a_tag_that_moves_is_noticed_and_changes_nothing(
    registry: str, made: Kitchen, tmp_path: Path
) -> None:
    catalogue = published(made, registry, "d/tiny")
    pinned = pin("foreign", catalogue).image_id
    second = tiny(tmp_path / "second")
    second.name = "moved"
    second.locked()
    moved = Catalogue(second.directory).locked("moved")
    push("moved", f"{registry}/d/tiny", Catalogue(second.directory), second.store)
    tag(registry, "d/tiny", "v1", moved, second.store)
    with pytest.raises(IntegrityError, match=r"tag v1 of .* has moved"):
        pin("foreign", catalogue)
    other = Store(tmp_path / "other")
    assert pull("foreign", catalogue, other, Silent()).image_id == pinned


def test_an_index_gives_the_image_for_this_machine(
    registry: str, made: Kitchen, tmp_path: Path
) -> None:
    catalogue = published(made, registry, "e/tiny")
    image = catalogue.locked("tiny")
    store = made.store
    here = {
        "mediaType": MANIFEST_TYPE,
        "digest": image.manifest,
        "size": store.verified(image.manifest).stat().st_size,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    document = json.loads(store.verified(image.manifest).read_bytes())
    arm = json.dumps({**document, "annotations": {"for": "arm64"}}).encode()
    there = {
        **here,
        "digest": sha256_bytes(arm),
        "size": len(arm),
        "platform": {"os": "linux", "architecture": "arm64"},
    }
    client = Registry(parse_reference(f"{registry}/e/tiny"))
    client.push_manifest(arm, MANIFEST_TYPE)
    index = {"schemaVersion": 2, "manifests": [there, here]}
    media_type = "application/vnd.oci.image.index.v1+json"
    request = urllib.request.Request(
        f"http://{registry}/v2/e/tiny/manifests/v1",
        json.dumps({**index, "mediaType": media_type}).encode(),
        {"Content-Type": media_type},
        method="PUT",
    )
    urllib.request.urlopen(request).close()
    assert pin("foreign", catalogue).image_id == image.image_id


def test_what_a_registry_lacks_or_refuses_is_said(registry: str, made: Kitchen) -> None:
    catalogue = published(made, registry, "f/tiny")
    with pytest.raises(InputsGoneError, match="not found in f/nowhere"):
        pull(
            "tiny", catalogue, Store(made.directory / "x"), Silent(), source=f"{registry}/f/nowhere"
        )
    with pytest.raises(InputsGoneError, match="cannot be reached"):
        push("tiny", "127.0.0.1:9/x", catalogue, made.store)
    with pytest.raises(SpecificationError, match="by a tag, which may move"):
        pull("tiny", catalogue, made.store, Silent(), source=f"{registry}/f/tiny:v1")
    with pytest.raises(SpecificationError, match="has no registry recorded"):
        pull("tiny", catalogue, made.store, Silent())
    with pytest.raises(SpecificationError, match="the digest follows"):
        push("tiny", f"{registry}/f/tiny@sha256:{'a' * 64}", catalogue, made.store)
    with pytest.raises(SpecificationError, match="built here from its locks"):
        pin("tiny", catalogue)
    home = made.directory / "nowhere"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("nowhere", f"{registry}/f/nowhere"))
    with pytest.raises(InputsGoneError, match="'nowhere' stays without a digest") as caught:
        pin("nowhere", catalogue)
    assert (caught.value.hint or "").startswith("reprun images import nowhere FILE")
    with pytest.raises(RegistryError, match="HTTP 400"):
        Registry(parse_reference(f"{registry}/f/tiny")).push_manifest(b"", MANIFEST_TYPE + "x")


def test_docker_pulls_what_was_pushed(registry: str, made: Kitchen, docker_url: str) -> None:
    """The daemon asks the registry itself, by digest; the image ID stays ours."""
    import docker  # noqa: PLC0415

    catalogue = published(made, registry, "g/tiny")
    image = catalogue.locked("tiny")
    client = docker.DockerClient(base_url=docker_url)
    try:
        pulled = client.images.pull(f"{registry}/g/tiny@{image.manifest}")
        assert pulled.id == image.image_id
        client.images.remove(pulled.id, force=True)
    finally:
        client.close()


def test_docker_save_is_imported_with_the_same_image_id(
    made: Kitchen, docker_url: str, tmp_path: Path
) -> None:
    import docker  # noqa: PLC0415

    image = Catalogue(made.directory).locked("tiny")
    archive = tmp_path / "ours.tar"
    with archive.open("wb") as stream:
        docker_archive(image, made.store, stream)
    client = docker.DockerClient(base_url=docker_url)
    try:
        with archive.open("rb") as stream:
            client.images.load(stream)
        saved = tmp_path / "saved.tar"
        with saved.open("wb") as out:
            for chunk in client.images.get(image.image_id).save():
                out.write(chunk)
        client.images.remove(image.image_id, force=True)
    finally:
        client.close()
    home = made.directory / "foreign"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("foreign", "docker.io/some/thing"))
    catalogue = Catalogue(made.directory)
    other = Store(tmp_path / "other")
    imported = import_file("foreign", saved, catalogue, other, Silent())
    assert imported.image_id == image.image_id
    assert [layer.digest for layer in imported.layers] == [e.digest for e in image.layers]
    assert replace(imported, name="tiny", layers=image.layers).image_id == image.image_id
    assert ensure("foreign", catalogue, other, Silent()) == imported

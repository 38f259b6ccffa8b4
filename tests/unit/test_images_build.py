"""Builds: the same bytes everywhere, whole blobs only, little memory."""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.digests import sha256_file
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError, StorageError
from reprun.images.archives.tarlayer import EPOCH, write_layer
from reprun.images.archives.tree import Spool, Tree, listing, tree_digest
from reprun.images.builder.build import build
from reprun.images.builder.dockerfile import dockerfile, write_context
from reprun.images.builder.fetch import Sources
from reprun.images.builder.sbom import SBOM_NAME, sbom
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import differences
from reprun.images.lock import check_twice, lock, verify
from reprun.images.oci.archive import docker_archive
from reprun.images.stored import verify_stored
from reprun.progress import Silent
from tests.images_support import tiny

FROZEN_LAYER = "sha256:8656ffde497c8ce195e6997673639f0bdb4841287296fc42fb9462f7795a47e3"
FROZEN_TREE = "sha256:60efe1e954d48b842818064419e1b39c86ee1abb877b862a19c346fa9b141621"


def test_the_rules_of_a_layer_are_frozen(tmp_path: Path) -> None:
    """A change here is a new builder format: every image.lock would name other bytes."""
    with Spool(tmp_path) as spool:
        tree = Tree(spool)
        tree.add_directory("var", 0o755, origin="t")
        tree.add_file("etc/ünïcode", "text\n", origin="t")
        tree.add_file("a" * 120 + "/" + "b" * 150, b"x" * 600, 0o755, origin="t")
        tree.add_symlink("usr/link", "../" + "c" * 140, origin="t")
        tree.add_hardlink("a-hard-link", "etc/ünïcode", origin="t")
        tree.close()
        buffer = io.BytesIO()
        write_layer(tree, buffer.write)
    (tmp_path / "layer.tar").write_bytes(buffer.getvalue())
    assert sha256_file(tmp_path / "layer.tar") == FROZEN_LAYER
    assert tree_digest(listing([tree])) == FROZEN_TREE
    with tarfile.open(tmp_path / "layer.tar") as tar:
        members = tar.getmembers()
    assert {m.mtime for m in members} == {EPOCH}
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert members[-1].name == "a-hard-link"


names = st.text("ab/é-.", min_size=1, max_size=12).map(
    lambda t: "/".join(p for p in t.split("/") if p.strip("."))
)


@given(st.dictionaries(names.filter(bool), st.binary(max_size=2000), max_size=6), st.randoms())
@pytest.mark.slow
def test_a_layer_does_not_depend_on_the_order_of_its_files(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], random: object
) -> None:
    layers = []
    items = sorted(files.items())
    for ordered in (items, items[::-1]):
        with Spool(tmp_path_factory.getbasetemp()) as spool:
            tree = Tree(spool)
            try:
                for path, data in ordered:
                    tree.add_file(path, data, origin="test")
            except SpecificationError:
                layers.append(b"refused: a file and a directory of one name")
                continue
            tree.close()
            buffer = io.BytesIO()
            write_layer(tree, buffer.write)
            layers.append(buffer.getvalue())
    assert layers[0] == layers[1]
    if layers[0].startswith(b"refused"):
        return
    with tarfile.open(fileobj=io.BytesIO(layers[0])) as tar:
        found = {
            m.name: stream.read() for m in tar if m.isfile() and (stream := tar.extractfile(m))
        }
    assert found == files


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.store.blob_path(made.debs[0].digest).unlink()
    with pytest.raises(
        InputsGoneError, match=r"1 locked files .*hello_1\.0-1_amd64\.deb"
    ) as caught:
        build(made.definition(), made.store, Silent())
    assert caught.value.hint == "reprun images fetch tiny"


def test_a_changed_input_is_refused(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    path = made.store.blob_path(made.wheels[0].digest)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="is corrupt"):
        build(made.definition(), made.store, Silent())


def test_a_docker_archive_is_also_an_oci_layout(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    image = build(made.definition(), made.store, Silent()).image
    buffer, again = io.BytesIO(), io.BytesIO()
    docker_archive(image, made.store, buffer)
    docker_archive(image, made.store, again)
    assert buffer.getvalue() == again.getvalue()
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        files = {
            m.name: stream.read() for m in tar if m.isfile() and (stream := tar.extractfile(m))
        }
    (entry,) = json.loads(files["manifest.json"])
    assert entry["Config"] == f"blobs/sha256/{image.image_id[7:]}"
    config = json.loads(files[entry["Config"]])
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in image.layers]
    assert config["config"]["Env"] == ["PATH=/usr/local/bin:/usr/bin:/bin", "TZ=UTC"]
    (manifest,) = json.loads(files["index.json"])["manifests"]
    assert manifest["digest"] == image.manifest
    assert manifest["size"] == len(files[f"blobs/sha256/{image.manifest[7:]}"])
    for layer, name in zip(image.layers, entry["Layers"], strict=True):
        assert len(files[name]) == layer.size


def test_a_changed_or_missing_part_of_an_image_is_named(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    image = build(made.definition(), made.store, Silent()).image
    path = made.store.blob_path(image.layers[1].digest)
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match=r"image 'tiny' .*layer 'Python wheels'"):
        verify_stored(image, made.store)
    with pytest.raises(IntegrityError, match="layer 'Python wheels'"):
        docker_archive(image, made.store, io.BytesIO())
    path.write_bytes(good[:100])
    with pytest.raises(IntegrityError, match="layer 'Python wheels'"):
        verify_stored(image, made.store)
    path.unlink()
    with pytest.raises(StorageError, match="layer 'Python wheels' is missing") as caught:
        verify_stored(image, made.store)
    assert (caught.value.hint or "").startswith("reprun images build tiny   #")


def test_verify_hashes_every_byte(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    image = verify("tiny", catalogue, made.store)
    path = made.store.blob_path(image.layers[0].digest)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    verify_stored(image, made.store)  # rot that leaves size and mtime alone
    with pytest.raises(IntegrityError, match="is corrupt"):
        verify("tiny", catalogue, made.store)


def test_verify_compares_the_file_tree_with_the_lock(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    place = made.directory / "tiny" / "image.lock"
    tree = catalogue.lock("tiny").tree
    place.write_text(place.read_text().replace(tree, "sha256:" + "0" * 64))
    with pytest.raises(IntegrityError, match="the file tree of image 'tiny'"):
        verify("tiny", catalogue, made.store)


def test_checking_twice_finds_a_build_that_is_not_reproducible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    assert check_twice("tiny", catalogue, made.store, Silent()).lock == catalogue.lock("tiny")
    epochs = iter(range(10**6))
    from reprun.images.archives import tarlayer  # noqa: PLC0415

    original = tarlayer.header

    def drifting(path: str, entry: object) -> bytes:
        next(epochs)
        return original(path + str(next(epochs)), entry)  # type: ignore[arg-type]

    monkeypatch.setattr(tarlayer, "header", drifting)
    with pytest.raises(IntegrityError, match="built twice is not the same: layer"):
        check_twice("tiny", catalogue, made.store, Silent())
    assert list((made.store.root / "incoming").iterdir()) == []


def test_differences_name_the_innermost_cause(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    good = build(made.definition(), made.store, Silent()).lock
    other = "sha256:" + "1" * 64
    assert differences(good, good) == []
    layers = (replace(good.layers[0], digest=other), *good.layers[1:])
    (first, second) = differences(replace(good, layers=layers, tree=other), good)
    assert first.startswith("layer 'Debian packages' is 111111111111")
    assert second.startswith("file tree 1111")
    assert "only their packing" in differences(replace(good, layers=layers), good)[1]
    assert "configuration" in differences(replace(good, image_id=other), good)[0]
    assert "manifest" in differences(replace(good, manifest=other), good)[0]
    assert "has 2 layers" in differences(replace(good, layers=good.layers[:2]), good)[0]


def test_locking_the_image_alone_keeps_packages_and_writes_what_follows(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.catalogue()
    built = lock("tiny", catalogue, made.store, Silent(), Sources(), image_only=True)
    assert catalogue.locked("tiny") == built.image
    definition = catalogue.definition("tiny")
    text = (definition.directory / "Dockerfile").read_text()
    assert text == dockerfile(definition, built.image)
    assert (definition.directory / SBOM_NAME).read_bytes() == sbom(definition, built.image)
    assert "FROM scratch\nADD 1-debian-packages.tar /\nADD 2-python-wheels.tar /\n" in text
    context = tmp_path / "context"
    write_context(definition, built.image, made.store, context)
    assert sha256_file(context / "1-debian-packages.tar") == built.image.layers[0].digest
    assert (context / "Dockerfile").read_text() == text
    with pytest.raises(StorageError, match="not an empty directory"):
        write_context(definition, built.image, made.store, context)


def test_locking_the_same_image_again_keeps_where_it_is_published(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    place = made.directory / "tiny" / "image.lock"
    where = f"registry.example/tiny@{catalogue.locked('tiny').manifest}"
    lines = f'published = "{where}"\n\n[[layers]]'
    place.write_text(place.read_text().replace("\n[[layers]]", lines, 1))
    nothing = Sources(index=False)
    lock("tiny", catalogue, made.store, Silent(), nothing, image_only=True)
    assert catalogue.lock("tiny").published == where
    definition = made.directory / "tiny" / "image.toml"
    definition.write_text(definition.read_text().replace("A tiny image", "Another image"))
    lock("tiny", Catalogue(made.directory), made.store, Silent(), nothing, image_only=True)
    assert catalogue.lock("tiny").published == ""

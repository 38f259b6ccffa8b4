"""Importing, comparing, describing, signing and removing images."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cramjam
import pytest

from reprun.digests import PREFIX, sha256_bytes
from reprun.documents.record import ImageRecord, write_record
from reprun.errors import IntegrityError, ReprunError, SpecificationError
from reprun.images.builder.build import build
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.differ import changes, contents
from reprun.images.oci.archive import docker_archive
from reprun.images.prune import prune
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.transfer import export_file, import_file
from reprun.progress import Silent
from reprun.store.collection import register
from reprun.store.store import Store
from tests.images_support import Kitchen, deb_bytes, member, tiny, with_foreign
from tests.projects import mark_project
from tests.unit import builders

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    return with_foreign(tmp_path)


def layout_of(made: Kitchen, directory: Path) -> Path:
    """Export the image and unpack the archive into a directory."""
    image = Catalogue(made.directory).locked("tiny")
    buffer = io.BytesIO()
    docker_archive(image, made.store, buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        tar.extractall(directory, filter="data")
    return directory


def test_export_and_import_again(made: Kitchen, tmp_path: Path) -> None:
    catalogue = Catalogue(made.directory)
    image = catalogue.locked("tiny")
    archive = tmp_path / "out.tar"
    export_file(image, made.store, archive)
    other = Store(tmp_path / "other")
    assert import_file("tiny", archive, catalogue, other, Silent()) == image
    assert (unpacked_root(image, other) / "usr/bin/hello").is_file()
    with pytest.raises(SpecificationError, match="exists already"):
        export_file(image, made.store, archive)
    with pytest.raises(SpecificationError, match="there is no directory") as caught:
        export_file(image, made.store, tmp_path / "none" / "out.tar")
    assert caught.value.hint == f"mkdir -p {tmp_path / 'none'}"


@pytest.mark.parametrize("form", ["oci", "docker", "gzip", "zstd", "zstd-skippable"])
def test_an_external_image_is_imported_and_its_digest_written_down(
    made: Kitchen, tmp_path: Path, form: str
) -> None:
    catalogue = Catalogue(made.directory)
    place = layout_of(made, tmp_path / "layout")
    if form == "docker":
        (place / "index.json").unlink()
    if form in PACKERS:
        _compress_layers(place, PACKERS[form])
    with pytest.raises(SpecificationError, match="no digest is known"):
        catalogue.locked("foreign")
    image = import_file("foreign", place, catalogue, made.store, Silent())
    assert image.image_id == catalogue.locked("tiny").image_id
    assert catalogue.locked("foreign") == image
    lock = (made.directory / "foreign" / "external.lock").read_text()
    assert image.image_id in lock
    # Another image under the same name is refused from now on.
    again = tiny(tmp_path / "again")
    again.deb(deb_bytes([member("./usr/lib/more", b"x")], name="more"), "more")
    again.locked()
    other = layout_of(again, tmp_path / "other")
    with pytest.raises(IntegrityError, match="this is not image 'foreign'"):
        import_file("foreign", other, catalogue, made.store, Silent())
    assert (made.directory / "foreign" / "external.lock").read_text() == lock


def _zstd(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data))


# In two members or frames each: builders write large layers so.
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "zstd": lambda data: _zstd(data[:1000]) + _zstd(data[1000:]),
    # A frame without content, as `zstd:chunked` has them.
    "zstd-skippable": lambda data: b"\x50\x2a\x4d\x18\x04\x00\x00\x00toc." + _zstd(data),
}


def _compress_layers(place: Path, pack: Callable[[bytes], bytes]) -> None:
    """Turn the layers into compressed ones, as a registry would have them."""
    index = json.loads((place / "index.json").read_text())
    blobs = place / "blobs/sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    for layer in manifest["layers"]:
        data = (blobs / layer["digest"][7:]).read_bytes()
        packed = pack(data)
        layer["digest"] = sha256_bytes(packed)
        (blobs / layer["digest"][7:]).write_bytes(packed)
    packed = json.dumps(manifest).encode()
    index["manifests"][0]["digest"] = sha256_bytes(packed)
    (blobs / sha256_bytes(packed)[7:]).write_bytes(packed)
    (place / "index.json").write_text(json.dumps(index))


def _layer(place: Path) -> Path:
    manifest = json.loads((place / "manifest.json").read_text())
    return place / str(manifest[0]["Layers"][0])


def _change_a_byte(place: Path) -> None:
    data = bytearray(_layer(place).read_bytes())
    data[600] ^= 1
    _layer(place).chmod(0o644)
    _layer(place).write_bytes(data)


def _cut_gzip(place: Path) -> None:
    data = gzip.compress(_layer(place).read_bytes())
    _layer(place).chmod(0o644)
    _layer(place).write_bytes(data[:-20])


def _cut_zstd(place: Path) -> None:
    data = _zstd(_layer(place).read_bytes())
    _layer(place).chmod(0o644)
    _layer(place).write_bytes(data[:-20])


def _say_zstd(place: Path) -> None:
    _layer(place).chmod(0o644)
    _layer(place).write_bytes(b"\x28\xb5\x2f\xfd and more")


def _rewrite_index(place: Path, change: Callable[[dict[str, object]], None]) -> None:
    document = json.loads((place / "index.json").read_text())
    change(document)
    (place / "index.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _change_a_byte,
            "layer 1 of image 'foreign' does not have the digest in the image's config",
        ),
        (_cut_gzip, "is truncated"),
        (_cut_zstd, "cannot be uncompressed: incomplete frame"),
        (_say_zstd, "layer 1 of image 'foreign' cannot be uncompressed"),
        (lambda place: _layer(place).unlink(), "it lacks blobs/sha256/"),
        (lambda place: (place / "index.json").write_text("{"), "index.json is not JSON"),
        (lambda place: (place / "index.json").write_text("[]"), "not a JSON object"),
        (
            lambda place: _rewrite_index(place, lambda d: d.update(manifests=[])),
            "holds 0 images for linux/amd64",
        ),
        (
            lambda place: _rewrite_index(place, lambda d: d.update(manifests=[{"digest": "x"}])),
            "malformed",
        ),
        (
            lambda place: [(place / n).unlink() for n in ("index.json", "manifest.json")],
            "neither an OCI layout",
        ),
    ],
)
def test_a_damaged_archive_is_refused(
    made: Kitchen, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    place = layout_of(made, tmp_path / "layout")
    spoil(place)
    with pytest.raises(ReprunError, match=message):
        import_file("foreign", place, Catalogue(made.directory), Store(tmp_path / "s"), Silent())
    assert not (made.directory / "foreign" / "external.lock").exists()


def test_a_file_that_is_no_archive_is_refused(made: Kitchen, tmp_path: Path) -> None:
    catalogue = Catalogue(made.directory)
    (tmp_path / "text").write_text("not a tar")
    with pytest.raises(SpecificationError, match="this is not a tar archive") as caught:
        import_file("foreign", tmp_path / "text", catalogue, made.store, Silent())
    assert (caught.value.hint or "").startswith("docker save")
    archive = tmp_path / "whole.tar"
    export_file(catalogue.locked("tiny"), made.store, archive)
    (tmp_path / "half.tar").write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(IntegrityError, match="cannot be read"):
        import_file("foreign", tmp_path / "half.tar", catalogue, made.store, Silent())
    with pytest.raises(SpecificationError, match="no such file"):
        import_file("foreign", tmp_path / "none", catalogue, made.store, Silent())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image = 3", "image: must be .*, is the number 3"),
        ("image = ", "not valid TOML"),
        ('image = "sha256:12"', "image: must be a digest"),
        ('imag = "sha256:12"', "imag: unknown field. Did you mean 'image'"),
    ],
)
def test_a_faulty_external_lock_is_refused(made: Kitchen, text: str, message: str) -> None:
    (made.directory / "foreign" / "external.lock").write_text(text)
    with pytest.raises(SpecificationError, match=message) as caught:
        Catalogue(made.directory).locked("foreign")
    place = made.directory / "foreign" / "external.lock"
    assert caught.value.place == f"{place}:1"
    assert (caught.value.hint or "").startswith(f"git checkout -- {place}")


def test_an_external_image_is_never_built(made: Kitchen) -> None:
    with pytest.raises(SpecificationError, match="pulled or imported, never built"):
        Catalogue(made.directory).definition("foreign")


def test_differences_are_listed_by_kind(made: Kitchen, tmp_path: Path) -> None:
    other = tiny(tmp_path / "other")
    other.debs.clear()
    other.deb(deb_bytes(version="1.1-1"), version="1.1-1")
    other.deb(deb_bytes([member("./usr/lib/more", b"x")], name="more"), "more")
    other.locked()
    before = contents("tiny", Catalogue(made.directory), made.store)
    after = contents("tiny", Catalogue(other.directory), other.store)
    lines = [str(change) for change in changes(before, after)]
    assert lines[:2] == ["~ package hello 1.0-1 -> 1.1-1", "+ package more 1.1-1"] or lines[:2] == [
        "~ package hello 1.0-1 -> 1.1-1",
        "+ package more 1.0-1",
    ]
    assert any(line.startswith("+ file usr/lib/more file 0644") for line in lines)
    assert any(line.startswith("~ file var/lib/dpkg/status ") for line in lines)
    assert changes(before, before) == []
    only = [c.kind for c in changes(contents("tiny", Catalogue(made.directory)), before)]
    assert set(only) == {"file"}


def test_pruning_removes_what_no_lock_names_and_nothing_else(made: Kitchen, tmp_path: Path) -> None:
    catalogue = Catalogue(made.directory)
    image = catalogue.locked("tiny")
    unpacked_root(image, made.store)
    data = made.store.add_bytes(b"a data file")
    old = tiny(tmp_path / "old")
    old.store = made.store
    old.debs.clear()
    old.deb(deb_bytes([member("./usr/lib/old", b"o" * 5000)]))
    gone = build(old.definition(), made.store, Silent()).image
    unpacked_root(gone, made.store)
    would = prune(catalogue, made.store, Silent(), dry_run=True)
    assert would.bytes > 5000
    assert all(each.path.exists() for each in would.removed)
    named = [str(each) for each in would.removed]
    assert [text.split("…")[0][:-13] for text in named] == [
        *("image of tiny", "layer of tiny", "layer of tiny", "blob of tiny", "blob of tiny"),
    ]
    done = prune(catalogue, made.store, Silent(), dry_run=False)
    assert done.removed == would.removed
    assert not any(each.path.exists() for each in done.removed)
    assert made.store.has(data)
    for digest in (*(layer.digest for layer in image.layers), image.image_id):
        made.store.verify(digest)
    assert unpacked_root(image, made.store).is_dir()
    assert not made.store.has(gone.layers[0].digest)
    assert not (made.store.root / "unpacked/images" / gone.image_id.removeprefix(PREFIX)).exists()
    assert prune(catalogue, made.store, Silent(), dry_run=False).removed == ()


def test_pruning_stops_when_a_lock_cannot_be_read(made: Kitchen) -> None:
    (made.directory / "tiny" / "image.lock").write_text("broken")
    with pytest.raises(SpecificationError):
        prune(Catalogue(made.directory), made.store, Silent(), dry_run=False)


def test_pruning_keeps_the_images_of_every_project_and_run_that_used_the_store(
    made: Kitchen, tmp_path: Path
) -> None:
    """Else pruning in one clone removes the image under a run in another."""
    image = Catalogue(made.directory).locked("tiny")
    unpacked_root(image, made.store)
    project, results = mark_project(tmp_path / "other"), tmp_path / "results"
    (tmp_path / "empty").mkdir()
    nothing = Catalogue(tmp_path / "empty")
    assert prune(nothing, made.store, Silent(), dry_run=True).removed != ()

    (project / "images").symlink_to(made.directory)
    register(made.store, project)
    assert prune(nothing, made.store, Silent(), dry_run=True).removed == ()
    (project / "images").unlink()
    assert prune(nothing, made.store, Silent(), dry_run=True).removed != ()

    ran = results / "demo" / "columnar"
    ran.mkdir(parents=True)
    register(made.store, results)
    named = ImageRecord(name="tiny", image_id=image.image_id, manifest=image.manifest)
    write_record(builders.record(image=named), ran)
    assert prune(nothing, made.store, Silent(), dry_run=True).removed == ()
    shutil.rmtree(results)
    assert prune(nothing, made.store, Silent(), dry_run=True).removed != ()


def test_pruning_removes_nothing_where_a_project_cannot_be_read(
    made: Kitchen, tmp_path: Path
) -> None:
    project = mark_project(tmp_path / "other")
    register(made.store, project)
    (project / "reprun.toml").write_text("schema_version = ")
    with pytest.raises(SpecificationError):
        prune(Catalogue(made.directory), made.store, Silent(), dry_run=False)

"""Unpacked trees: whole or absent, shared, and noticed when they change."""

from __future__ import annotations

import datetime as dt
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from reprun.errors import IntegrityError, ReprunError, StorageError
from reprun.files import remove_tree
from reprun.images.builder.build import build
from reprun.images.lock import verify
from reprun.images.model import Image, Layer
from reprun.images.rootfs import sealed
from reprun.images.rootfs.sealed import (
    Verified,
    check,
    date_back,
    last_full,
    read_listing,
    seal_fits,
)
from reprun.images.rootfs.unpack import unpacked_root, verified_root
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import layered, member, tiny
from tests.store_support import of_a_killed_process, rot


def built(tmp_path: Path) -> tuple[Image, Store]:
    """Return the tiny image."""
    made = tiny(tmp_path)
    return build(made.definition(), made.store, Silent()).image, made.store


def test_a_second_call_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    monkeypatch.setattr("reprun.images.rootfs.unpack.check", None)
    monkeypatch.setattr("reprun.images.rootfs.unpack.arriving", None)
    assert unpacked_root(image, store) == root


def test_images_share_layers_on_disk(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    other = replace(image, name="other", image_id=store.add_bytes(b"another config"))
    second = unpacked_root(other, store)
    assert second != root
    assert (root / "usr/bin/hello").stat().st_ino == (second / "usr/bin/hello").stat().st_ino
    assert unpacked_root(image, store) == root
    assert len(list((store.root / "unpacked/layers").iterdir())) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: (root / "usr/bin/hello").write_text("#!/bin/sh\necho HELLO\n"),
            "usr/bin/hello has changed",
        ),
        (lambda root: (root / "usr/bin/hello").unlink(), "usr/bin/hello is gone"),
        (lambda root: (root / "usr/bin/evil").write_text("x"), "usr/bin/evil was added"),
        (lambda root: (root / "usr/bin/evil").symlink_to("x"), "usr/bin/evil was added"),
        (lambda root: (root / "usr/bin/hello").chmod(0o700), "usr/bin/hello has changed"),
        (lambda root: (root / "usr/lib").chmod(0o700), "usr/lib has changed"),
    ],
)
def test_a_change_on_disk_is_named(tmp_path: Path, change: object, message: str) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    change(root)  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=f"image 'tiny' has changed on disk: {message}") as err:
        unpacked_root(image, store)
    assert err.value.hint
    assert err.value.hint.startswith(f"rm -r {store.root / 'unpacked'}")
    remove_tree(store.root / "unpacked")
    assert unpacked_root(image, store) == root


def test_of_many_changes_on_disk_a_few_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    for number in range(87):
        (root / f"usr/bin/evil-{number:02}").write_text("x")
    names = ", ".join(f"usr/bin/evil-{number:02} was added" for number in range(3))
    with pytest.raises(IntegrityError, match=rf"on disk: {names} and 84 more$"):
        unpacked_root(image, store)


def test_a_link_that_was_bent_is_named(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    link = unpacked_root(image, store) / "usr/lib/hello/link"
    link.unlink()
    link.symlink_to("/etc/passwd")
    with pytest.raises(IntegrityError, match="usr/lib/hello/link has changed"):
        unpacked_root(image, store)


def test_a_mere_touch_is_forgiven_and_sealed_again(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    (root / "usr/bin/hello").touch()
    (root / "mount-point").mkdir()  # runc makes one where it mounts something
    assert not seal_fits(root.parent)
    assert unpacked_root(image, store) == root
    assert seal_fits(root.parent)


def test_a_layer_that_changed_on_disk_does_not_reach_a_second_image(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    (unpacked_root(image, store) / "usr/bin/hello").write_text("evil")
    other = replace(image, name="other", image_id=store.add_bytes(b"another config"))
    with pytest.raises(IntegrityError, match="layer 'Debian packages' of image 'other'"):
        unpacked_root(other, store)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    leftover = store.directory("unpacked") / of_a_killed_process("partial-") / "root" / "proc"
    leftover.mkdir(parents=True)
    leftover.chmod(0o555)
    root = unpacked_root(image, store)
    assert not leftover.exists()
    assert sorted(path.name for path in (store.root / "unpacked").iterdir()) == [
        "images",
        "layers",
        "lock",
    ]
    assert root.is_dir()


def test_a_disk_that_fails_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, store = built(tmp_path)

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("reprun.images.rootfs.extract._write_all", full)
        with pytest.raises(StorageError, match="disk is full"):
            unpacked_root(image, store)
    assert not list((store.root / "unpacked").glob("partial-*"))
    assert not (store.root / "unpacked/images").exists()
    assert unpacked_root(image, store).is_dir()


def test_whiteouts_are_honoured_and_links_never_written_through(tmp_path: Path) -> None:
    image, store = layered(
        tmp_path,
        [
            member("etc/"),
            member("etc/one", b"1"),
            member("etc/two", b"2"),
            member("opt/deep/file", b"old"),
            member("swap", b"a file"),
            member("var/x", b"x"),
        ],
        [
            member("etc/.wh.one", b""),
            member("etc/two", b"changed"),
            member("opt/.wh..wh..opq", b""),
            member("opt/new", b"new"),
            member("swap/"),
            member("swap/in", b"now a directory"),
            member(".wh.var", b""),
        ],
    )
    root = unpacked_root(image, store)
    found = {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}
    assert found == {"etc/two": "changed", "opt/new": "new", "swap/in": "now a directory"}
    assert not (root / "var").exists()
    below = store.root / "unpacked/layers" / image.layers[0].digest[7:] / "root"
    assert (below / "etc/two").read_text() == "2"


def test_device_nodes_of_dev_are_left_to_the_engine(tmp_path: Path) -> None:
    """Layers of old distributions hold them; every container gets a /dev of its own."""
    image, store = layered(
        tmp_path, [member("dev/"), member("dev/null", b"", type=tarfile.CHRTYPE)]
    )
    root = unpacked_root(image, store)
    assert list(root.iterdir()) == [root / "dev"]
    assert list((root / "dev").iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([member("a/../../x", b"x")], "leaves the tree"),
        ([member("h", b"", type=tarfile.LNKTYPE, linkname="etc/none")], "no file of this layer"),
        (
            [
                member("out", b"", type=tarfile.SYMTYPE, linkname="/tmp"),
                member("out/file", b"x"),
            ],
            "below out, which is not a directory",
        ),
    ],
)
def test_an_unsafe_layer_is_refused(
    tmp_path: Path, bad: list[tuple[tarfile.TarInfo, bytes]], message: str
) -> None:
    image, store = layered(tmp_path, bad)
    with pytest.raises(IntegrityError, match=message):
        unpacked_root(image, store)
    assert not list((store.root / "unpacked").glob("partial-*"))


def test_a_layer_below_a_link_of_another_layer_is_refused(tmp_path: Path) -> None:
    link = member("out", b"", type=tarfile.SYMTYPE, linkname="/tmp")
    image, store = layered(tmp_path, [link], [member("out/file", b"x")])
    # The upper layer turns the link into a directory, as overlay file systems do.
    root = unpacked_root(image, store)
    assert (root / "out/file").read_text() == "x"
    assert not (root / "out").is_symlink()


def test_a_truncated_layer_is_refused(tmp_path: Path) -> None:
    image, store = layered(tmp_path, [member("file", b"x" * 5000)])
    data = store.blob_path(image.layers[0].digest).read_bytes()[:2000]
    digest = store.add_bytes(data)
    image = replace(image, layers=(Layer(digest, len(data), "cut"),))
    with pytest.raises(IntegrityError, match="cut"):
        unpacked_root(image, store)


def test_a_rotten_layer_is_never_unpacked_and_repair_helps(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    layer = store.blob_path(image.layers[-1].digest)
    good = layer.read_bytes()
    rot(layer)
    with pytest.raises(IntegrityError, match=f"image '{image.name}' is corrupt.*its layer"):
        unpacked_root(image, store)
    layer.chmod(0o644)
    layer.write_bytes(good)
    assert unpacked_root(image, store).is_dir()


def test_verify_hashes_what_runs(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    root = unpacked_root(catalogue.locked("tiny"), made.store)
    victim = next(path for path in sorted(root.rglob("*.py")) if path.stat().st_size)
    rot(victim)
    assert unpacked_root(catalogue.locked("tiny"), made.store) == root  # nothing looks moved
    with pytest.raises(IntegrityError, match=f"{victim.name} has changed"):
        verify("tiny", catalogue, made.store)


def test_a_listing_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    place = unpacked_root(image, store).parent
    (place / "listing").write_text("{")
    with pytest.raises(ReprunError, match="listing") as caught:
        read_listing(place)
    assert caught.value.hint
    (place / "seal").unlink()
    with pytest.raises(ReprunError, match="listing"):
        check(place, "image 'tiny'", store.root / "unpacked")


def test_hard_links_come_after_the_contents_of_all_batches(tmp_path: Path) -> None:
    """More files than a batch, an empty one among them, and links to links."""
    files = [member(f"f/{n}", str(n).encode() * n) for n in range(200)]
    links = [
        member("one", b"", type=tarfile.LNKTYPE, linkname="f/199"),
        member("two", b"", type=tarfile.LNKTYPE, linkname="one"),
    ]
    image, store = layered(tmp_path, [*files, *links, member("last", b"z")])
    root = unpacked_root(image, store)
    assert [(root / f"f/{n}").read_bytes() for n in range(200)] == [d for _, d in files]
    assert len({(root / name).stat().st_ino for name in ("one", "two", "f/199")}) == 1
    entries, _ = read_listing(root.parent)
    assert len({entries[name].what for name in ("one", "two", "f/199")}) == 1
    assert all(len(e.what) == 64 for e in entries.values() if e.kind == "file")


# -- rot -----------------------------------------------------------------------------------------


def age(place: Path, days: float) -> None:
    """Let the last full verification of a sealed directory be so long ago."""
    date_back(place, dt.datetime.now(dt.UTC) - dt.timedelta(days=days))


@pytest.mark.parametrize(("days", "found"), [(0, False), (29, False), (31, True), (-1, True)])
def test_rot_is_found_when_the_last_full_verification_is_old(
    tmp_path: Path, days: float, *, found: bool
) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    rot(root / "usr/lib/hello/data.txt")
    age(root.parent, days)
    if not found:
        assert unpacked_root(image, store) == root
        return
    with pytest.raises(IntegrityError, match=r"data\.txt has changed") as error:
        unpacked_root(image, store)
    assert str(error.value.hint).startswith(f"rm -r {store.root / 'unpacked'}   # it is made again")


def test_an_old_seal_is_renewed_where_all_is_right(tmp_path: Path) -> None:
    image, store = built(tmp_path)
    place = unpacked_root(image, store).parent
    age(place, 31)
    before = last_full(place)
    unpacked_root(image, store)
    assert last_full(place) - before > dt.timedelta(days=30)


def test_an_image_was_verified_no_later_than_its_layers(tmp_path: Path) -> None:
    """Its files are theirs, by other names: to link them reads none."""
    image, store = built(tmp_path)
    place = unpacked_root(image, store).parent
    layer = store.root / "unpacked/layers" / image.layers[0].digest.removeprefix("sha256:")
    age(layer, 10)
    remove_tree(place)
    assert last_full(unpacked_root(image, store).parent) == last_full(layer)
    age(layer, 31)
    rot(next(path for path in (layer / "root").rglob("*") if path.is_file()))
    remove_tree(place)
    with pytest.raises(IntegrityError, match="has changed on disk"):
        unpacked_root(image, store)


def test_each_run_hashes_some_files_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, store = built(tmp_path)
    root = unpacked_root(image, store)
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    monkeypatch.setattr(sealed, "SAMPLE_FILES", 1000)
    _, verified = verified_root(image, store)
    size = sum(path.stat().st_size for path in files)
    assert verified == Verified(last_full(root.parent), len(files), size)
    monkeypatch.setattr(sealed, "SAMPLE_BYTES", 100)
    _, verified = verified_root(image, store)
    assert 0 < verified.sampled_files < len(files)
    assert verified.sampled_bytes <= 100
    monkeypatch.setattr(sealed, "SAMPLE_FILES", 1)
    assert verified_root(image, store)[1].sampled_files <= 1


def test_a_sampled_file_that_has_rotted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, store = built(tmp_path)
    monkeypatch.setattr(sealed, "SAMPLE_FILES", 1000)
    root = unpacked_root(image, store)
    rot(root / "usr/bin/hello")
    assert unpacked_root(image, store) == root  # the seal says nothing
    with pytest.raises(IntegrityError, match="image 'tiny' has changed on disk: usr/bin/hello"):
        verified_root(image, store)


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "ümlaut", "\udcff", "a,b:[c]", "x"])
def test_a_file_of_any_name_is_found_in_the_listing(tmp_path: Path, name: str) -> None:
    image, store = layered(
        tmp_path, [member(name, b"1"), member("y", b"2"), member(f"{name}x", b"3")]
    )
    assert verified_root(image, store)[1].sampled_files == 3

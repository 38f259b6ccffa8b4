"""Unpacked trees: whole or absent, shared, and noticed when they change."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from reprun.errors import IntegrityError, ReprunError, StorageError
from reprun.files import remove_tree
from reprun.images.builder.build import build
from reprun.images.lock import verify
from reprun.images.model import Image, Layer
from reprun.images.rootfs.sealed import check, read_listing, seal_fits
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import layered, member, tiny
from tests.store_support import of_a_killed_process


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


def rot(path: Path) -> None:
    """Flip a bit as a failing disk does: size and time stay."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    mode = status.st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


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

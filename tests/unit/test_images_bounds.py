"""A small file made to exhaust the host is refused within seconds, and what is usual is not."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import re
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.errors import IntegrityError, ReprunError
from reprun.images import bounds
from reprun.images.archives.compression import PIECE, write_plain
from reprun.images.bounds import Allowance
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.images.oci.registry import Bounded
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.transfer import import_file
from reprun.progress import Silent, SilentTask
from reprun.store.store import Store
from reprun.wording import size_of
from tests.foreign_images import Layout, as_tar, catalogue_with, config_of, packed
from tests.images_support import layered, member, tar_bytes

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
MB = 1 << 20
SECONDS = 30
"""Three times what is promised: other tests run beside this one."""
MEMORY = 300 * MB


@contextmanager
def soon_and_small() -> Iterator[None]:
    """Fail when the block takes long, or raises the most memory that was ever in use by much."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MEMORY


@cache
def gzip_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MB)) for _ in range(size // MB)) + packer.flush()


def zstd_zeros(size: int, *, blocks_of: int = 128 << 10) -> bytes:
    """Return a frame of RLE blocks (RFC 8878 section 3.1.1.2.2): four bytes for each 128 kB."""
    count = size // blocks_of
    block = (blocks_of << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (blocks_of << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd" + b"\x00\x58" + block * (count - 1) + last


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip_zeros(320 * MB),
    "gzip in members": lambda: gzip_zeros(16 * MB) * 20,
    "xz": lambda: lzma.compress(bytes(16 * MB)) * 20,
    "bzip2": lambda: bz2.compress(bytes(16 * MB)) * 20,
    "zstd": lambda: zstd_zeros(8192 * MB),
    "zstd in frames": lambda: zstd_zeros(MB) * 500,
    "zstd in large frames": lambda: zstd_zeros(64 * MB) * 10,
    "zstd after a skippable frame": lambda: b"\x50\x2a\x4d\x18\4\0\0\0toc." + zstd_zeros(900 * MB),
}


def plain(directory: Path, data: bytes, allowance: Allowance | None = None) -> bytes:
    """Return what a layer becomes."""
    store = Store(directory / "store")
    with store.incoming() as incoming:
        write_plain(io.BytesIO(data), incoming, store, "layer 1", SilentTask(), allowance)
        incoming.flush()
        return incoming.path.read_bytes()


@pytest.mark.parametrize("form", BOMBS)
def test_a_bomb_is_refused(tmp_path: Path, form: str) -> None:
    data = BOMBS[form]()
    assert len(data) < 2 * MB
    with (
        soon_and_small(),
        pytest.raises(IntegrityError, match=r"^layer 1 inflates to more than \d+\.\d MB") as caught,
    ):
        plain(tmp_path, data)
    assert "skopeo copy" in (caught.value.hint or "")
    assert not list((tmp_path / "store/incoming").iterdir())


@pytest.mark.parametrize("form", ["gzip", "xz", "zstd", "zstd in large frames"])
@pytest.mark.parametrize("outer", ["layer", "archive", "both", "layout"])
def test_a_bomb_in_an_image_is_refused_and_leaves_nothing(
    tmp_path: Path, form: str, outer: str
) -> None:
    data = BOMBS[form]()
    made = Layout()
    made.manifests = [made.image([b""], pack=lambda _: data, config=config_of([b"x"]))]
    archive = {"layer": made.archive(), "both": packed(made.archive()), "archive": data}.get(outer)
    path = tmp_path / "image"
    if archive is not None:
        path.write_bytes(archive)
    else:
        for name, each in made.files().items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(each)
    store = Store(tmp_path / "store")
    with soon_and_small(), pytest.raises(IntegrityError, match="inflates to more than") as caught:
        import_file("foreign", path, Catalogue(catalogue_with(tmp_path)), store, Silent())
    assert caught.value.hint
    assert not list(store.root.rglob("*/sha256/*"))
    assert not list((store.root / "incoming").iterdir())


def test_packing_an_archive_once_more_allows_nothing(tmp_path: Path) -> None:
    """A hundred times a hundred would be enough for a bomb."""
    names = [b"%d" % n for n in range(6)]
    zeros = bytes(64 * MB)
    diff_ids = [f"sha256:{sha256(zeros + name).hexdigest()}" for name in names]
    config = config_of([], rootfs={"type": "layers", "diff_ids": diff_ids})
    made = Layout()
    made.manifests = [
        made.image(names, pack=lambda name: gzip_zeros(64 * MB) + packed(name), config=config)
    ]
    path = tmp_path / "image.tar.gz"
    path.write_bytes(packed(made.archive()))
    catalogue, store = Catalogue(catalogue_with(tmp_path)), Store(tmp_path / "store")
    with (
        soon_and_small(),
        pytest.raises(IntegrityError, match=r"inflates to more than 25\d\.\d MB"),
    ):
        import_file("foreign", path, catalogue, store, Silent())


@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2", "zstd"])
@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.tuples(st.binary(max_size=400), st.integers(0, 900)), max_size=4))
def test_what_is_usual_comes_back(
    tmp_path_factory: pytest.TempPathFactory, form: str, parts: list[tuple[bytes, int]]
) -> None:
    pack: Callable[[bytes], bytes] = {
        "gzip": packed,
        "xz": lzma.compress,
        "bzip2": bz2.compress,
        "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
    }[form]
    data = [part * count for part, count in parts] or [b""]
    directory = tmp_path_factory.mktemp("plain")
    assert plain(directory, b"".join(map(pack, data))) == b"".join(data)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, MB, MB + 1, 5 * MB, 17 * MB])
@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2", "zstd"])
def test_any_size_comes_back(tmp_path: Path, form: str, size: int) -> None:
    data = (os.urandom(PIECE) + bytes(PIECE)) * (size // (2 * PIECE) + 1)
    data = data[:size]
    match form:
        case "gzip":
            sent = packed(data)
        case "xz":
            sent = lzma.compress(data, preset=0)
        case "bzip2":
            sent = bz2.compress(data, 1)
        case _:
            sent = bytes(cramjam.zstd.compress(data, 1))
    assert plain(tmp_path, sent) == data
    for cut in {len(sent) // 2, len(sent) - 1, len(sent) - 5}:
        with pytest.raises(IntegrityError, match=r"is truncated|cannot be uncompressed"):
            plain(tmp_path, sent[:cut])


def test_a_real_share_of_zeros_is_usual(tmp_path: Path) -> None:
    """200 MB of zeros in a small layer: an empty data base, a file that was made in advance."""
    for data in (gzip_zeros(200 * MB), zstd_zeros(200 * MB)):
        assert len(plain(tmp_path, data)) == 200 * MB


def test_small_frames_are_usual(tmp_path: Path) -> None:
    """`zstd:chunked` has a frame for each file: each could become 128 kB and becomes 500 bytes."""
    frame = bytes(cramjam.zstd.compress(b"some small file " * 30))
    assert len(plain(tmp_path, frame * 20_000)) == 20_000 * 480


def test_tiny_streams_take_no_time(tmp_path: Path) -> None:
    with soon_and_small():
        for one in (packed(b""), bytes(cramjam.zstd.compress(b"")), b"\x50\x2a\x4d\x18\0\0\0\0"):
            assert plain(tmp_path, one * (MB // len(one))) == b""


def test_a_window_that_needs_gigabytes_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(b"x" * 1000, filters=filters))
    # The dictionary's size is the byte after filter 0x21 and its length; 40 means 4 GiB - 1.
    at = data.index(b"\x21\x01") + 2
    data[at] = 40
    header = bytes(data[12 : 12 + (data[12] + 1) * 4 - 4])
    data[12 + len(header) : 12 + len(header) + 4] = zlib.crc32(header).to_bytes(4, "little")
    with pytest.raises(IntegrityError, match="cannot be uncompressed: Memory usage limit"):
        plain(tmp_path, bytes(data))
    with pytest.raises(IntegrityError, match="cannot be uncompressed"):
        plain(tmp_path, b"\x28\xb5\x2f\xfd\x00\xff" + b"\x01\x00\x00")


@pytest.mark.parametrize(
    "data",
    [
        b"\x28\xb5\x2f\xfd",
        b"\x28\xb5\x2f\xfd\x00\x58",
        b"\x28\xb5\x2f\xfd\x00\x58\x06\x00\x00",
        b"\x28\xb5\x2f\xfd\x00\x58\xff\xff\xff",
        b"\x28\xb5\x2f\xfd\xff" + bytes(30),
        b"\x50\x2a\x4d\x18",
        b"\x50\x2a\x4d\x18\xff\xff\xff\xff",
        zstd_zeros(MB)[:-1],
        zstd_zeros(MB) + b"more",
        zstd_zeros(MB) + b"mo",
        zstd_zeros(MB, blocks_of=256 << 10),
        b"\x1f\x8b",
        b"\x1f\x8b" + bytes(100),
        packed(b"x") + b"junk",
        packed(b"x")[:-1],
        packed(b"x")[:-4] + b"abcd",
        b"\xfd7zXZ\x00",
        lzma.compress(b"x") + b"junk",
        lzma.compress(b"x")[:-1],
        b"BZh9",
        b"BZh" + bytes(100),
        bz2.compress(b"x")[:-1],
        bz2.compress(b"x") + b"junk",
    ],
)
def test_damage_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^layer 1 (is|cannot)"):
        plain(tmp_path, data)


def test_an_image_above_the_largest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LARGEST_IMAGE", 10_000)
    with pytest.raises(IntegrityError, match=r"takes the image above 10\.0 kB uncompressed"):
        plain(tmp_path, bytes(10_001))


# -- paths -------------------------------------------------------------------------------------


def import_layers(directory: Path, *layers: bytes) -> Image:
    made = Layout()
    made.manifests = [made.image(layers)]
    path = directory / "image.tar"
    path.write_bytes(made.archive())
    catalogue = Catalogue(catalogue_with(directory))
    return import_file("foreign", path, catalogue, Store(directory / "store"), Silent())


def headers(count: int, kind: bytes = b"0", *, names: int = 1) -> bytes:
    blocks = [member(f"f{n}", b"", type=kind)[0].tobuf() for n in range(names)]
    return b"".join(blocks) * (count // names)


@pytest.mark.parametrize("kind", [b"0", b"2", b"5", b"6", b"3"])
def test_a_small_layer_of_very_many_members_is_refused(tmp_path: Path, kind: bytes) -> None:
    blocks = member("f", b"", type=kind, linkname="x")[0].tobuf() * 60_000
    with soon_and_small(), pytest.raises(IntegrityError, match=r"too many paths: more than 5\d,"):
        import_layers(tmp_path, blocks)
    assert not [path for path in (tmp_path / "store/blobs").rglob("*") if path.is_file()]


def test_many_layers_share_what_is_allowed(tmp_path: Path) -> None:
    layers = [
        tar_bytes([member(f"{n}/{m}", b"", type=b"2", linkname="x") for m in range(300)], "w")
        for n in range(4)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bounds, "ENTRIES_FREE", 500)
        patched.setattr(bounds, "BYTES_AN_ENTRY", 1000)
        with pytest.raises(IntegrityError, match=r"layer 2 .* an image for which so few bytes"):
            import_layers(tmp_path, *layers)
        patched.setattr(bounds, "ENTRIES_FREE", 5000)
        import_layers(tmp_path, *layers[:3])
        # What is in the store already came in its own time.
        patched.setattr(bounds, "ENTRIES_FREE", 310)
        (tmp_path / "images/foreign/external.lock").unlink()
        import_layers(tmp_path, *layers)


def test_implicit_directories_count(tmp_path: Path) -> None:
    members = [member("/".join([f"{n}"] * 250) + "/f", b"") for n in range(250)]
    with pytest.raises(IntegrityError, match="too many paths: more than 5"):
        import_layers(tmp_path, tar_bytes(members, "w"))


def test_a_layer_named_often_counts_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = tar_bytes([member(f"{m}", b"") for m in range(100)], "w")
    monkeypatch.setattr(bounds, "ENTRIES_FREE", 1000)
    with pytest.raises(IntegrityError, match="too many paths: more than 1,"):
        import_layers(tmp_path, *[layer] * 50)


def test_holes_are_bounded(tmp_path: Path) -> None:
    info, _ = member("holes", b"")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2 << 40)}
    image, store = layered(tmp_path, info.tobuf())
    with (
        soon_and_small(),
        pytest.raises(IntegrityError, match=r"sparse files with holes of more than 256\.0 MB"),
    ):
        unpacked_root(image, store)
    info.pax_headers["GNU.sparse.size"] = str(3 * MB)
    image, store = layered(tmp_path / "b", info.tobuf())
    assert (unpacked_root(image, store) / "holes").read_bytes() == bytes(3 * MB)


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(member("f", b"")[0].tobuf() * 100_001)
    with soon_and_small(), pytest.raises(IntegrityError, match="more than 100,000 files"):
        import_file(
            "foreign",
            tmp_path / "image.tar",
            Catalogue(catalogue_with(tmp_path)),
            Store(tmp_path / "store"),
            Silent(),
        )


def test_links_in_an_archive_end(tmp_path: Path) -> None:
    archive = as_tar({}, links={"index.json": "a", "a": "b", "b": "index.json"})
    (tmp_path / "image.tar").write_bytes(archive)
    with pytest.raises(ReprunError, match="neither an OCI layout"):
        import_file(
            "foreign",
            tmp_path / "image.tar",
            Catalogue(catalogue_with(tmp_path)),
            Store(tmp_path / "store"),
            Silent(),
        )


@pytest.mark.parametrize("sent", [0, 5, 9, 10])
def test_a_blob_ends_where_its_manifest_says(sent: int) -> None:
    data = b"x" * sent
    assert io.BufferedReader(Bounded(io.BytesIO(data), 10, "sha256:0")).read() == data
    longer = io.BufferedReader(Bounded(io.BytesIO(b"x" * 11), 10, "sha256:0"))
    with pytest.raises(IntegrityError, match="longer than the 10 bytes of its manifest"):
        longer.read()


# -- the table in the documentation ------------------------------------------------------------


def limits_in_docs() -> dict[str, str]:
    text = (REPOSITORY / "docs" / "images.md").read_text()
    table = text.split("| limit of an import | value |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    return {name.strip(): value.strip() for name, value in rows if not name.startswith("-")}


def test_the_table_of_limits_is_that_of_the_code() -> None:
    assert limits_in_docs() == {
        "manifest, index or config": size_of(bounds.LARGEST_DOCUMENT),
        "nesting of such a document": f"{bounds.DEEPEST_DOCUMENT}",
        "layers": f"{bounds.MOST_LAYERS:,}",
        "all layers, uncompressed": size_of(bounds.LARGEST_IMAGE),
        "growth by uncompressing": (
            f"{bounds.INFLATION} times what arrived, and {size_of(bounds.INFLATION_FREE)}"
        ),
        "paths": (
            f"{bounds.MOST_ENTRIES:,}; {bounds.ENTRIES_FREE:,} and one more for every "
            f"{bounds.BYTES_AN_ENTRY} bytes that arrived"
        ),
        "directories above a file": f"{bounds.DEEPEST_PATH}",
        "file name, path, symbolic link": (
            f"{bounds.LONGEST_NAME}, {bounds.LONGEST_PATH:,}, {bounds.LONGEST_LINK:,} bytes"
        ),
        "holes of sparse files": (
            f"{size_of(bounds.LARGEST_HOLES)} and the size of the layer, "
            f"in {bounds.MOST_SEGMENTS:,} pieces"
        ),
        "extended tar header": (
            f"{size_of(bounds.LARGEST_HEADER)}, {bounds.MOST_HEADERS} before a member"
        ),
        "a variable, all variables": (
            f"{size_of(bounds.LARGEST_VARIABLE)}, {size_of(bounds.LARGEST_ENVIRONMENT)}"
        ),
        "memory for uncompressing xz": size_of(bounds.LARGEST_WINDOW),
        "files of an archive, indexes of a layout": (
            f"{bounds.MOST_FILES:,}, {bounds.MOST_INDEXES}"
        ),
    }

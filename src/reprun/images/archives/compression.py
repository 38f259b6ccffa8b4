"""Layers and archives as they travel, uncompressed on their way into the store.

Builders and registries send layers plain, as gzip or as zstd, some as xz or bzip2; a layer is
known by the digest of its plain bytes, so nothing else is ever kept. How much may come out of
what arrives is bounded while it comes out (`bounds.Allowance`). gzip, xz and bzip2 are the
standard library's, zstd is cramjam's (uproot brings it; Python itself reads zstd from 3.14 on).
"""

from __future__ import annotations

import bz2
import lzma
import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from reprun.digests import CHUNK
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.bounds import LARGEST_WINDOW, PLAIN_HINT, Allowance
from reprun.progress import Task
from reprun.store.incoming import IncomingFile
from reprun.store.store import Store

if TYPE_CHECKING:
    import cramjam

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
BZIP2_MAGIC = b"BZh"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
"""Frames that carry no content, RFC 8878 section 3.1.2; a layer may begin with one."""
COMPRESSED = (GZIP_MAGIC, XZ_MAGIC, BZIP2_MAGIC, ZSTD_MAGIC, *ZSTD_SKIPPABLE)
NOT_READ = {b"\x04\x22\x4d\x18": "lz4", b"LZIP": "lzip", b"\x5d\x00\x00": "lzma"}

PIECE = 64 << 10
"""Bytes given to a decoder at once: what it leaves over it copies, for each tiny stream again."""
ZSTD_BLOCK = 128 << 10
"""The most that a block of zstd holds, RFC 8878 section 3.1.1.2.4."""
IN_MEMORY = 16 << 20


def write_plain(
    stream: IO[bytes],
    incoming: IncomingFile,
    store: Store,
    what: str,
    task: Task,
    allowance: Allowance | None = None,
    *,
    arrives: bool = True,
) -> None:
    """Copy a layer into `incoming`, uncompressing it on the way.

    Memory does not grow with the layer. What comes out counts against `allowance`; what goes in
    counts for it if it `arrives` here, not if it came out of a compressed archive. Raises
    IntegrityError, naming `what`, for compressed data that is damaged, cut short or inflates to
    more than is allowed.
    """
    allowance = allowance or Allowance()
    first = stream.read(CHUNK)
    for magic, name in NOT_READ.items():
        if first.startswith(magic):
            raise SpecificationError(
                f"{what} is compressed as {name}, which is not read; gzip, zstd, xz and bzip2 are",
                hint=PLAIN_HINT,
            )

    def emit(data: bytes | memoryview) -> None:
        allowance.inflate(len(data), what)
        incoming.write(bytes(data))

    chunks = _counted(first, stream, task, allowance if arrives else None)
    if first.startswith((ZSTD_MAGIC, *ZSTD_SKIPPABLE)):
        _zstd(chunks, emit, store, what, allowance)
    elif first.startswith(GZIP_MAGIC):
        _gzip(_pieces(chunks), emit, what)
    elif first.startswith(XZ_MAGIC):
        _streams(_pieces(chunks), emit, what, "xz", _xz)
    elif first.startswith(BZIP2_MAGIC):
        _streams(_pieces(chunks), emit, what, "bzip2", bz2.BZ2Decompressor)
    else:
        for chunk in chunks:
            emit(chunk)


def _counted(
    chunk: bytes, stream: IO[bytes], task: Task, allowance: Allowance | None
) -> Iterator[bytes]:
    while chunk:
        task.advance(len(chunk))
        if allowance is not None:
            allowance.arrive(len(chunk))
        yield chunk
        chunk = stream.read(CHUNK)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


Emit = Callable[[bytes | memoryview], None]


def _gzip(pieces: Iterable[bytes], emit: Emit, what: str) -> None:
    member = zlib.decompressobj(31)
    with _damage(what, "gzip", zlib.error):
        for given in pieces:
            piece, is_full = given, False
            while piece or is_full:
                if member.eof:
                    piece = piece.lstrip(b"\0")  # padding, as gzip itself skips it
                    if not piece:
                        break
                    member = zlib.decompressobj(31)
                data = member.decompress(piece, CHUNK)
                emit(data)
                is_full = len(data) == CHUNK and not member.eof
                piece = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise IntegrityError(f"{what} is truncated")


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LARGEST_WINDOW)


def _streams(
    pieces: Iterable[bytes],
    emit: Emit,
    what: str,
    form: str,
    start: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor],
) -> None:
    """Read streams one after the other; both of these decoders have the same way of bounding."""
    stream = start()
    with _damage(what, form, lzma.LZMAError, OSError, ValueError):
        for given in pieces:
            piece = given
            while piece or not (stream.eof or stream.needs_input):
                if stream.eof:
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    stream = start()
                data = stream.decompress(piece, CHUNK)
                piece = stream.unused_data if stream.eof else b""
                emit(data)
    if not stream.eof:
        raise IntegrityError(f"{what} is truncated")


# -- zstd ----------------------------------------------------------------------------------


class _Frame(NamedTuple):
    """A frame: where it is, and the most that can come out of it."""

    start: int
    end: int
    most: int


def _zstd(
    chunks: Iterable[bytes], emit: Emit, store: Store, what: str, allowance: Allowance
) -> None:
    """Through files, frame by frame where need be.

    cramjam cannot stop in a frame. But what a frame can become follows from the headers of its
    blocks, so that one which could become too much is refused before it is decoded.
    """
    import cramjam  # noqa: PLC0415 - a native library that hardly any image needs

    with store.incoming() as packed:
        for chunk in chunks:
            packed.write(chunk)
        packed.flush()
        frames = list(_frames(packed.path, what, allowance))
        with _damage(what, "zstd", cramjam.DecompressionError):
            if allowance.inflated + sum(each.most for each in frames) <= allowance.most:
                _emit_file(packed.path, emit, store)
                return
            with packed.path.open("rb") as stream:
                for frame in frames:
                    allowance.check(frame.most if frame.most > IN_MEMORY else 0, what)
                    stream.seek(frame.start)
                    if frame.most <= IN_MEMORY:
                        data = stream.read(frame.end - frame.start)
                        emit(memoryview(cramjam.zstd.decompress(data)))
                        continue
                    with store.incoming() as alone:
                        _copy(stream, frame.end - frame.start, alone)
                        _emit_file(alone.path, emit, store)


def _emit_file(packed: Path, emit: Emit, store: Store) -> None:
    import cramjam  # noqa: PLC0415

    with store.incoming() as plain:
        cramjam.zstd.decompress_into(_file(packed), _file(plain.path))
        with plain.path.open("rb") as back:
            while chunk := back.read(CHUNK):
                emit(chunk)


def _copy(stream: IO[bytes], size: int, target: IncomingFile) -> None:
    while size:
        chunk = stream.read(min(CHUNK, size))
        target.write(chunk)
        size -= len(chunk)
    target.flush()


def _file(path: Path) -> cramjam.File:
    import cramjam  # noqa: PLC0415

    return cramjam.File(str(path), read=True, write=True, truncate=False)


def _frames(path: Path, what: str, allowance: Allowance) -> Iterator[_Frame]:
    """Yield the frames that carry content (RFC 8878); neighbours that can be small are one."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = at = most = 0
        while at < len(data):
            try:
                end, more = _frame(data, at, allowance.most)
            except IndexError as error:
                raise IntegrityError(f"{what} cannot be uncompressed: incomplete frame") from error
            except ValueError as error:
                raise IntegrityError(f"{what} cannot be uncompressed: {error}") from error
            if at > start and (most + more > IN_MEMORY or end - start > IN_MEMORY):
                yield _Frame(start, at, most)
                start, most = at, 0
            at, most = end, most + more
        yield _Frame(start, at, most)


def _frame(data: mmap.mmap, at: int, enough: int) -> tuple[int, int]:
    """Return where a frame ends and the most that can come out of it.

    Of a frame that can become more than `enough` the rest is not looked at.
    """
    magic = data[at : at + 4]
    if magic in ZSTD_SKIPPABLE:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if len(data[at : at + 8]) < 8 or end > len(data):
            raise IndexError
        return end, 0
    if magic != ZSTD_MAGIC:
        raise ValueError("unknown frame descriptor" if len(magic) == 4 else "incomplete frame")
    descriptor = data[at + 4]
    is_single = bool(descriptor & 0x20)
    content_size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    at += 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3] + content_size
    most = 0
    while True:
        block = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        kind, size = block >> 1 & 3, block >> 3
        if kind == 3 or size > ZSTD_BLOCK:
            raise ValueError("a block of no known kind")
        most += size if kind < 2 else ZSTD_BLOCK
        at += 3 + (1 if kind == 1 else size)
        if block & 1 or most > enough:
            break
    if most > enough:
        return len(data), most
    at += 4 if descriptor & 4 else 0
    if at > len(data):
        raise IndexError
    return at, most


@contextmanager
def _damage(what: str, form: str, *kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise IntegrityError(
            f"{what} is compressed as {form} and cannot be uncompressed: {error}"
        ) from error

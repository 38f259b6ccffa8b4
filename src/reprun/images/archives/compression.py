"""Layers as they travel, uncompressed on their way into the store.

Builders and registries send layers plain, as gzip or as zstd; a layer is known by the digest of
its plain bytes, so nothing else is ever kept. gzip is the standard library's, zstd is cramjam's
(uproot brings it; Python itself reads zstd from 3.14 on).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from reprun.digests import CHUNK
from reprun.errors import IntegrityError
from reprun.progress import Task
from reprun.store.incoming import IncomingFile
from reprun.store.store import Store

if TYPE_CHECKING:
    import cramjam

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
"""Frames that carry no content, RFC 8878 section 3.1.2; a layer may begin with one."""


def write_plain(
    stream: IO[bytes], incoming: IncomingFile, store: Store, what: str, task: Task
) -> None:
    """Copy a layer into `incoming`, uncompressing it on the way.

    Memory does not grow with the layer. Raises IntegrityError, naming `what`, for compressed
    data that is damaged or cut short.
    """
    first = stream.read(CHUNK)
    chunks = _counted(first, stream, task)
    if first.startswith((ZSTD_MAGIC, *ZSTD_SKIPPABLE)):
        _zstd(chunks, incoming, store, what)
    elif first.startswith(GZIP_MAGIC):
        _gzip(chunks, incoming.write, what)
    else:
        for chunk in chunks:
            incoming.write(chunk)


def _counted(chunk: bytes, stream: IO[bytes], task: Task) -> Iterator[bytes]:
    while chunk:
        task.advance(len(chunk))
        yield chunk
        chunk = stream.read(CHUNK)


def _gzip(chunks: Iterator[bytes], write: Callable[[bytes], object], what: str) -> None:
    member = zlib.decompressobj(31)
    with _damage(what, zlib.error):
        for chunk in chunks:
            write(member.decompress(chunk))
            while member.eof and member.unused_data:
                rest, member = member.unused_data, zlib.decompressobj(31)
                write(member.decompress(rest))
    if not member.eof:
        raise IntegrityError(f"{what} is truncated")


def _zstd(chunks: Iterator[bytes], incoming: IncomingFile, store: Store, what: str) -> None:
    """Through two files: cramjam reads and writes as a stream only between files."""
    import cramjam  # noqa: PLC0415 - a native library that hardly any image needs

    with store.incoming() as packed, store.incoming() as plain:
        for chunk in chunks:
            packed.write(chunk)
        packed.flush()
        with _damage(what, cramjam.DecompressionError):
            cramjam.zstd.decompress_into(_file(packed.path), _file(plain.path))
        with plain.path.open("rb") as back:
            while chunk := back.read(CHUNK):
                incoming.write(chunk)


def _file(path: Path) -> cramjam.File:
    import cramjam  # noqa: PLC0415

    return cramjam.File(str(path), read=True, write=True, truncate=False)


@contextmanager
def _damage(what: str, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise IntegrityError(f"{what} cannot be uncompressed: {error}") from error

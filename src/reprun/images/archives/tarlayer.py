"""A tree written as a layer: a tar whose bytes depend on the tree and on nothing else.

PAX headers, paths sorted, hard links last, every parent explicit, one time stamp, owner 0:0
without names, no compression (each zlib compresses differently).
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from typing import Any

from reprun.images.archives.tree import Entry, Kind, Tree

EPOCH = 1_700_000_000
"""The one time stamp in an image (2023-11-14T22:13:20Z), also SOURCE_DATE_EPOCH of its jobs."""

END_OF_ARCHIVE = bytes(2 * tarfile.BLOCKSIZE)

_TYPES = {
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.FILE: tarfile.REGTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
}


def write_layer(tree: Tree, write: Callable[[bytes], Any]) -> None:
    """Write a closed tree as a tar."""
    entries = sorted(
        tree.entries.items(), key=lambda item: (item[1].kind is Kind.HARDLINK, item[0])
    )
    for path, entry in entries:
        write(header(path, entry))
        if entry.kind is Kind.FILE and entry.content is not None:
            for chunk in tree.spool.chunks(entry.content):
                write(chunk)
            write(padding(entry.content.size))
    write(END_OF_ARCHIVE)


def header(path: str, entry: Entry) -> bytes:
    """Return the header blocks of one entry."""
    info = tarfile.TarInfo(path)
    info.type = _TYPES[entry.kind]
    info.mode = entry.mode
    info.mtime = EPOCH
    info.linkname = entry.target
    if entry.kind is Kind.FILE and entry.content is not None:
        info.size = entry.content.size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """Return the zeros that fill a member's last block."""
    return bytes(-size % tarfile.BLOCKSIZE)

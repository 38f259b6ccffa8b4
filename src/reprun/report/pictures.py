"""Plots that an analysis made, as a page has them: within it, or as a link that says the size.

A picture is put into an `img`, where a browser executes no script of an SVG and loads nothing for
it. What browsers do not show there (PDF), and what would make the page too large, is linked.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from reprun.bounded import limits
from reprun.wording import size_of

PICTURES = frozenset({"image/gif", "image/jpeg", "image/png", "image/svg+xml", "image/webp"})
"""Media types that every browser shows in an `img`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot on its way into a page."""

    path: str
    """Relative to the page."""
    size: int | None
    """In bytes; None for a file that is not there."""
    content: bytes | None = None
    """None for what is linked."""

    @property
    def uri(self) -> str | None:
        """The picture itself, for an `img`."""
        return None if self.content is None else data_uri(self.path, self.content)

    @property
    def link(self) -> str | None:
        """The address of a file that is not in the page."""
        return None if self.size is None or self.content is not None else f"./{quote(self.path)}"

    @property
    def is_active(self) -> bool:
        """Whether a browser that opens it would execute scripts in it: it is to be saved."""
        return picture_type(self.path) == "image/svg+xml"

    @property
    def words(self) -> str:
        """What is to be known of a file that is not shown: `PDF, 12.3 kB`."""
        if self.size is None:
            return "this file is missing"
        kind = PurePosixPath(self.path).suffix.removeprefix(".").upper()
        told = f"{kind}, {size_of(self.size)}" if kind else size_of(self.size)
        return f"{told}: too large for this page" if picture_type(self.path) else told


def read_pictures(paths: Iterable[str], root: Path) -> tuple[Picture, ...]:
    """Return the plots of these paths below `root`, those with content that the page can show."""
    found = []
    room = limits.PICTURES_BYTES.value
    for path in paths:
        file = root / path
        if not file.is_file():
            found.append(Picture(path, None))
            continue
        size = file.stat().st_size
        if picture_type(path) is None or size > min(limits.PICTURE_BYTES.value, room):
            found.append(Picture(path, size))
            continue
        room -= size
        found.append(Picture(path, size, file.read_bytes()))
    return tuple(found)


def picture_type(path: str) -> str | None:
    """Return the media type of a file that browsers show as a picture, None for any other.

    Python's own table decides, not the system's, so that a page is the same on every machine.
    """
    # Not strict: WebP became one of the standard types only in Python 3.13.
    media, encoding = mimetypes.MimeTypes().guess_type(PurePosixPath(path).name, strict=False)
    return media if media in PICTURES and encoding is None else None


def data_uri(path: str, content: bytes) -> str:
    """Return a picture as the source of an `img`, its type by the name of its file."""
    return f"data:{picture_type(path)};base64,{base64.b64encode(content).decode()}"

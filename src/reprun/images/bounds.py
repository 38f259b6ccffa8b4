"""What an image of others may ask of this host: sizes, counts and depths, each with its reason.

A limit is far above what images of real software have, and low enough that a small file made to
exhaust a host is refused within seconds. `docs/images.md` lists them; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from reprun.errors import IntegrityError
from reprun.wording import size_of

LARGEST_DOCUMENT = 4 << 20
"""Bytes of a manifest, index or config; registries refuse larger manifests."""
DEEPEST_DOCUMENT = 64
"""Lists and objects inside each other in such a document; the formats need 5."""
LARGEST_VARIABLE = (128 << 10) - 1
"""Bytes of `NAME=value` in `Env`: Linux starts no program with a longer one."""
LARGEST_ENVIRONMENT = 1 << 20
"""Bytes of all of `Env`: Linux starts no program with much more."""
MOST_LAYERS = 1000
"""Docker stops at 127; the formats have no limit."""
MOST_INDEXES = 100
"""Indexes that are read to find the image."""
MOST_FILES = 100_000
"""Members of an archive; `docker save` of old wrote three for each layer."""

LARGEST_IMAGE = 100 * 10**9
"""Bytes of all layers uncompressed."""
INFLATION = 100
"""How many times larger than they arrive layers may become in all …"""
INFLATION_FREE = 256 * 10**6
"""… beyond this many bytes. Zeros compress by 1,000: few layers hold so many."""
LARGEST_WINDOW = 256 << 20
"""Bytes of memory that uncompressing xz may ask for; `xz -9` needs 65 MiB."""

MOST_ENTRIES = 2_000_000
"""Paths of an image, directories and whiteouts included."""
ENTRIES_FREE = 50_000
"""Paths of an image while it is imported: this many, and one more for every …"""
BYTES_AN_ENTRY = 128
"""… bytes as they arrive. Each costs some 0.1 ms; software has a kilobyte and more for each."""
DEEPEST_PATH = 256
"""Directories above a file."""
LONGEST_NAME = 255
"""Bytes of a file name (NAME_MAX)."""
LONGEST_PATH = 2048
"""Bytes of a path: PATH_MAX is 4,096, and the store's own path stands before it."""
LONGEST_LINK = 4095
"""Bytes of what a symbolic link says (PATH_MAX)."""
LARGEST_HEADER = 1 << 20
"""Bytes of one extended tar header, as in Go's archive/tar, which most builders use."""
MOST_HEADERS = 16
"""Extended headers before one member."""
MOST_SEGMENTS = 100_000
"""Pieces of a sparse file."""
LARGEST_HOLES = 256 * 10**6
"""Bytes of the holes of a layer's sparse files, beyond the size of the layer itself."""

FLATTEN_HINT = (
    "docker export $(docker create IMAGE x) | docker import - NEW   # one clean layer; then: "
    "docker save NEW -o FILE"
)
PLAIN_HINT = (
    "skopeo copy docker-archive:FILE docker-archive:NEW   # NEW has its layers uncompressed, "
    "which are read whatever they hold"
)


def shown(name: str) -> str:
    """Return a name as a message has it: of a very long one both ends."""
    return name if len(name) <= 120 else f"{name[:60]}…{name[-50:]}"


@dataclass(slots=True)
class Allowance:
    """How much larger an image may still become than what of it has arrived."""

    arrived: int = 0
    inflated: int = 0
    hint: str = PLAIN_HINT

    def arrive(self, size: int) -> None:
        """Count bytes as they come: from a registry, or out of an archive that is not packed."""
        self.arrived += size

    def inflate(self, size: int, what: str) -> None:
        """Count plain bytes; raise IntegrityError when they are too many for what arrived."""
        self.inflated += size
        self.check(0, what)

    @property
    def entries(self) -> int:
        """Paths that are allowed for what has arrived so far."""
        return min(ENTRIES_FREE + self.arrived // BYTES_AN_ENTRY, MOST_ENTRIES)

    @property
    def most(self) -> int:
        """Plain bytes that are allowed for what has arrived so far."""
        return min(INFLATION_FREE + INFLATION * self.arrived, LARGEST_IMAGE)

    def check(self, more: int, what: str) -> None:
        """Raise IntegrityError when `more` plain bytes would be too many."""
        if self.inflated + more <= self.most:
            return
        if self.most == LARGEST_IMAGE:
            raise IntegrityError(
                f"{what} takes the image above {size_of(LARGEST_IMAGE)} uncompressed, "
                "the most that is read"
            )
        raise IntegrityError(
            f"{what} inflates to more than {size_of(self.most)}, out of {size_of(self.arrived)} "
            f"that arrived: more than {INFLATION} times as much is not read",
            hint=self.hint,
        )

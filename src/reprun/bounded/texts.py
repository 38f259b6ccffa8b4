"""Files of whatever origin, read within the limits; the standard library is enough.

Builders of images read locks with any Python, which may have neither PyYAML nor pydantic.
"""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reprun.bounded import limits
from reprun.bounded.limits import Limit, LimitError
from reprun.errors import SpecificationError
from reprun.wording import quoted, shortened, size_of

PART = 1 << 20


def read_text(path: Path, most: Limit, errors: str = "strict") -> str:
    """Return the text of a file; `errors` as for `bytes.decode`.

    Raises OSError, UnicodeDecodeError, and LimitError for what is not a file or too large.
    """
    return read_bytes(path, most).decode("utf-8", errors)


def read_bytes(path: Path, most: Limit) -> bytes:
    """Return what is in a file. Raises OSError and LimitError as `read_text` does."""
    with _regular_file(path) as stream:
        data = stream.read(most.value + 1)
        size = os.fstat(stream.fileno()).st_size
    if len(data) > most.value:
        raise LimitError(f"it has {size_of(size)}, at most {most.words} are read")
    return data


def read_gzip_text(path: Path) -> str:
    """Return the text of a file that gzip packed.

    Raises what `read_text` does, and EOFError and zlib.error for a broken one.
    """
    with _regular_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        most = min(limits.TEXT_BYTES.value, limits.FREE_GZIP.value + limits.GZIP_RATIO * size)
        with gzip.GzipFile(fileobj=stream) as unpacked:
            data = b"".join(_parts(unpacked, most))
    if len(data) > most:
        raise LimitError(
            f"it has more than {size_of(most)} once decompressed, of {size_of(size)} on disk"
        )
    return data.decode("utf-8")


def _parts(stream: gzip.GzipFile, most: int) -> Iterator[bytes]:
    """Yield what is in a stream, and stop beyond `most`: memory is taken as it comes."""
    while most >= 0 and (part := stream.read(PART)):
        most -= len(part)
        yield part


def _regular_file(path: Path) -> IO[bytes]:
    # A pipe that nobody writes to does not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LimitError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def text_of(path: Path, most: Limit, errors: str = "strict") -> str:
    """Return the text of a file, or raise SpecificationError, for one beyond a limit as well.

    `errors` is as for `bytes.decode`.
    """
    try:
        return read_text(path, most, errors)
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise SpecificationError(
            f"cannot read {path.name}: {shortened(str(error))}",
            place=str(path),
            hint=f"ls -lL {quoted(path)}",
        ) from error

"""Files on their way into the store: hashed while they arrive, visible only when they are whole."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import IO

from reprun.digests import CHUNK, PREFIX
from reprun.files import storage_errors


class IncomingFile:
    """A file on its way into the store: hashed while written, visible only after `commit`."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.path = path
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._sha256.update(data)
        self.size += len(data)
        return self._stream.write(data)

    def flush(self) -> None:
        """Hand what was written to the operating system, so that a full disk shows here."""
        self._stream.flush()

    @property
    def digest(self) -> str:
        """Digest of what has been written so far."""
        return PREFIX + self._sha256.hexdigest()


class PartialFile(IncomingFile):
    """A file that may arrive in several goes: what is there stays, for the next process too."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__(stream, path)
        self._adler32 = 1
        stream.seek(0)
        while chunk := stream.read(CHUNK):
            self._count(chunk)

    def write(self, data: bytes) -> int:
        """Append bytes."""
        with storage_errors(self.path.parent):
            self._stream.write(data)
        self._count(data)
        return len(data)

    def restart(self) -> None:
        """Forget what has arrived."""
        with storage_errors(self.path.parent):
            self._stream.seek(0)
            self._stream.truncate()
        self._sha256 = hashlib.sha256()
        self._adler32 = 1
        self.size = 0

    def _count(self, data: bytes) -> None:
        self._sha256.update(data)
        self._adler32 = zlib.adler32(data, self._adler32)
        self.size += len(data)

    @property
    def adler32(self) -> str:
        """Adler-32 of what has been written so far, as the portal writes it."""
        return f"{self._adler32:08x}"

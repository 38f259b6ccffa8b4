"""Sources of a file: a path, http(s) and root://, each as a stream of bytes from an offset."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests
import urllib3

from reprun.digests import CHUNK
from reprun.progress import announced

CONNECT_SECONDS = 20
STALL_SECONDS = 60
LONGEST_SAID = 1 << 20
"""Bytes that are looked at of what xrdcp prints."""
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP answers after which asking again may help."""
SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
"""What a URL begins with."""

XROOTD = {
    "XRD_CONNECTIONWINDOW": "10",
    "XRD_CONNECTIONRETRY": "1",
    "XRD_STREAMERRORWINDOW": "10",
    "XRD_REQUESTTIMEOUT": "60",
}
"""How long XRootD's own client tries: it knows reconnecting and redirection, we know patience."""


class SourceRefusedError(Exception):
    """A source says no; asking it again would not help."""


class OtherBytesError(SourceRefusedError):
    """A source has other bytes than the ones that are wanted."""


class SourceFailedError(Exception):
    """A source or the way to it failed; asking again may help."""


class NoAnswerError(SourceFailedError):
    """The host of a source cannot be reached, or says nothing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that answers."""

    start: int
    """Offset of the first byte: what was asked for, or 0 where a source cannot resume."""
    chunks: Iterator[bytes]


def scheme_of(source: str) -> str:
    """Return the scheme of a URL in lower case; empty for a path, whatever it holds."""
    found = re.match(SCHEME, source)
    return found[0].removesuffix("://").lower() if found else ""


def path_of(source: str) -> Path:
    """Return the path that is meant by a plain path or a `file://` URL."""
    if scheme_of(source):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(source).path))
    return Path(source)


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine itself, where no TLS is needed."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _WithoutLogin(requests.Session):
    """Sends no login of the user's: requests would look one up in `~/.netrc`.

    Sources are named by whoever wrote an analysis, over http as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _unchanged  # where there is any, ~/.netrc is not asked

    def rebuild_auth(self, request: requests.PreparedRequest, _: requests.Response) -> None:
        """Take a login that a URL holds no further than to its own host."""
        request.headers.pop("Authorization", None)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


@contextmanager
def connections(parallel: int) -> Iterator[requests.Session]:
    """Keep http connections open from file to file, as many as are used at a time."""
    with _WithoutLogin() as session:
        session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=parallel))
        yield session


@contextmanager
def opened(source: str, offset: int, size: int, session: requests.Session) -> Iterator[Opened]:
    """Open a source of a file of `size` bytes at `offset`.

    Raises SourceRefusedError or SourceFailedError or one of their kinds, here and while the
    chunks are read.
    """
    scheme = scheme_of(source)
    if scheme in ("http", "https"):
        manager = _http(source, offset, size, session)
    elif scheme in ("", "file"):
        manager = _file(source, offset, size)
    elif scheme == "root":
        manager = _root(source, offset, size)
    else:
        raise SourceRefusedError(f"{scheme}:// is not supported")
    with manager as found:
        yield found


@contextmanager
def _file(source: str, offset: int, size: int) -> Iterator[Opened]:
    try:
        with path_of(source).open("rb") as stream:
            found = stream.seek(0, os.SEEK_END)
            if found != size:
                raise OtherBytesError(f"the file has {found} bytes, expected {size}")
            stream.seek(offset)
            yield Opened(offset, _read(stream))
    except OSError as error:
        raise SourceRefusedError(error.strerror or str(error)) from error


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


# -- http ---------------------------------------------------------------------------------------


@contextmanager
def _http(source: str, offset: int, size: int, session: requests.Session) -> Iterator[Opened]:
    with _answer(source, offset, session) as answer:
        if offset and answer.status_code == requests.codes.requested_range_not_satisfiable:
            raise SourceRefusedError(f"the file ends before byte {offset}, expected {size}")
        if answer.status_code in BUSY:
            raise SourceFailedError(f"HTTP {answer.status_code} {answer.reason}")
        if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise SourceRefusedError(f"HTTP {answer.status_code} {answer.reason}")
        start = _start_of(answer, offset, size)
        try:
            yield Opened(start, _body(answer))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise SourceFailedError(innermost_reason(error)) from error


def _answer(source: str, offset: int, session: requests.Session) -> requests.Response:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    timeouts = (CONNECT_SECONDS, STALL_SECONDS)
    try:
        return session.get(source, headers=headers, stream=True, timeout=timeouts)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise SourceRefusedError(str(error)) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise NoAnswerError(innermost_reason(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceFailedError(innermost_reason(error)) from error


def _start_of(answer: requests.Response, offset: int, size: int) -> int:
    """Return where the body starts, by what the server says of it."""
    start, total = 0, answer.headers.get("Content-Length", "")
    if answer.status_code == requests.codes.partial_content:
        said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if said is None or int(said[1]) != offset:
            raise SourceRefusedError("the server returned a different byte range than requested")
        start, total = offset, said[2]
    if total.isdigit() and int(total) != size:
        raise OtherBytesError(f"the server has {total} bytes, expected {size}")
    return start


def _body(answer: requests.Response) -> Iterator[bytes]:
    while chunk := answer.raw.read1(CHUNK, decode_content=False):
        yield chunk


def innermost_reason(error: BaseException) -> str:
    """Return the innermost cause in one line: urllib3 wraps it three times."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(error).split()) or type(error).__name__


# -- root:// ------------------------------------------------------------------------------------


@contextmanager
def _root(source: str, offset: int, size: int) -> Iterator[Opened]:
    """Stream a file through XRootD's own programs, which reconnect by themselves.

    `xrdcp` starts at the first byte. What is left of a file after a cut is what `xrdfs tail`
    gives: its last `size - offset` bytes, if the server's file has the size it should have.
    If it has another one the bytes do not fit and the checksum says so.
    """
    program, rest = shutil.which("xrdcp"), shutil.which("xrdfs")
    if program is None:
        raise SourceRefusedError("no client for root:// here: apt-get install xrootd-client")
    command = [program, "--nopbar", "--silent", source, "-"]
    start = offset if rest is not None else 0
    if rest is not None and offset:
        parts = urllib.parse.urlsplit(source)
        path = "/" + parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
        command = [rest, f"root://{parts.netloc}/", "tail", "-c", str(size - offset), path]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            announced(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**XROOTD, **os.environ},
            start_new_session=True,  # Ctrl-C reaches us alone
        )
        assert process.stdout is not None
        try:
            with process.stdout as stream:
                yield Opened(start, _output(stream, process, said, size - start))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def _output(
    stream: IO[bytes], process: subprocess.Popen[bytes], said: IO[bytes], expected: int
) -> Iterator[bytes]:
    arrived = 0
    for chunk in _read(stream):
        arrived += len(chunk)
        yield chunk
    if process.wait() == 0:
        if arrived < expected:  # no cut: that is all the server has
            raise OtherBytesError(f"{arrived} bytes arrived, expected {expected}")
        return
    said.seek(0)
    lines = said.read(LONGEST_SAID).decode(errors="replace").replace("\0", "").split("\n")
    reason = next((line.strip() for line in lines[::-1] if line.strip()), "xrdcp failed")
    if "Server responded with an error" in reason or "Invalid" in reason:
        raise SourceRefusedError(reason)
    if "Connection error" in reason:
        raise NoAnswerError(reason)
    raise SourceFailedError(reason)

"""An HTTP server on the loopback that cuts, stalls, lies and sends wrong bytes, by path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reprun.digests import sha256_bytes
from tests.loopback import serving

DATA = b"right bytes\n"
DIGEST = sha256_bytes(DATA)


class Server(ThreadingHTTPServer):
    """An HTTP server on the loopback that misbehaves by path, and remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.logins: list[str | None] = []
        self.clients: set[tuple[str, int]] = set()
        self.pages: dict[str, bytes] = {}
        self.posted: list[tuple[str, bytes]] = []
        self.ranges: list[str] = []
        self.released = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_GET(self) -> None:  # noqa: PLR0912 - one line for each misbehaviour
        self.server.asked.append(self.path)
        self.server.logins.append(self.headers.get("Authorization"))
        self.server.clients.add(self.client_address)
        tries = self.server.asked.count(self.path)
        match self.path:
            case _ if self.path in self.server.pages:
                page = self.server.pages[self.path]
                self._send(page, len(page))
            case _ if self.path.startswith(("/none/", "/portal/")):
                self.send_error(404)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", self.server.url("moved-here"))
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "/missing":
                self.send_error(404)
            case "/busy-once" if tries == 1:
                self.send_error(503)
            case "/cut-by-half":
                self._ranged(DATA, tries)
            case "/always-cut-wrong":
                self._ranged(b"wrong" + DATA[5:], 1 + tries % 3)
            case "/lies-short":
                self._send(DATA, 5)
            case "/lies-long":
                self._send(DATA, 500)
            case "/other-part":
                self._ranged(DATA, tries, shift=1)
            case "/stalls":
                self._send(DATA[:5], len(DATA), wait=1.0)
            case "/drips":
                self._send_slowly(DATA)
            case "/cut":
                self._send(DATA[:5], len(DATA))
            case "/cut-once":
                self._send(DATA if tries > 1 else DATA[:5], len(DATA))
            case "/chunks-cut":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"c\r\nright")
                self.close_connection = True
            case "/no-http":
                self.wfile.write(b"this is not HTTP\r\n\r\n")
                self.close_connection = True
            case "/more":
                self._send(DATA + b"and more", None)
            case "/endless":
                self._send(bytes(3 << 20), None)
            case "/other":
                self._send(b"wrong" + DATA[5:], len(DATA))
            case "/hang-up":
                self.close_connection = True
            case _ if self.path.startswith("/number/"):
                self._send(self.path.removeprefix("/number/").encode(), 1)
            case _:
                self._send(DATA, len(DATA))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, body))
        if self.path in self.server.pages:
            page = self.server.pages[self.path]
            self._send(page, len(page))
        else:
            self.send_error(404)

    def _ranged(self, data: bytes, tries: int, shift: int = 0) -> None:
        """Send half of what is asked for, and the rest to the third request."""
        asked = self.headers.get("Range", "bytes=0-")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) + (shift if tries > 1 else 0)
        rest = data[start:]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(rest if tries > 2 else rest[: len(rest) // 2])
        self.close_connection = tries <= 2

    def _send_slowly(self, data: bytes) -> None:
        """Send a byte every 50 ms."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.server.released.wait(0.05)

    def _send(self, data: bytes, length: int | None, wait: float = 0) -> None:
        self.send_response(200)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
            self.close_connection = length != len(data)
        self.end_headers()
        with suppress(ConnectionError):  # the client may have seen enough
            self.wfile.write(data)
            self.wfile.flush()
            self.server.released.wait(wait)


@contextmanager
def misbehaving_server() -> Iterator[Server]:
    """Serve while the block runs."""
    with serving(Server()) as server:
        try:
            yield server
        finally:
            server.released.set()

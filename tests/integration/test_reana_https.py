"""A server with a certificate that nobody vouches for."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reprun.errors import ReanaError
from reprun.reana.remote.server import check_server
from tests.loopback import make_certificate, serving


def test_a_certificate_of_nobody_stops_before_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"message": "OK", "status": "200"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    https = HTTPServer(("127.0.0.1", 0), Handler)
    https.handle_error = lambda *_: None  # type: ignore[method-assign]
    https.socket = context.wrap_socket(https.socket, server_side=True)
    with serving(https):
        address = f"https://127.0.0.1:{https.server_port}"
        with pytest.raises(ReanaError, match=r"cannot be verified .*no token was sent"):
            check_server(address)
        assert asked == []
        monkeypatch.setenv("REANA_SERVER_CA_CERTS", str(certificate))
        check_server(address)
        assert asked == ["/api/ping"]
        with pytest.raises(ReanaError, match="cannot be verified"):
            check_server(address.replace("127.0.0.1", "localhost"))

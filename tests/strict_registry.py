"""A registry on loopback that wants a login and remembers what it was shown; files of logins."""

from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reprun.images.oci.layout import MANIFEST_TYPE
from tests.loopback import serving

BLOB = b"a blob"
MANIFEST = b'{"schemaVersion": 2}'


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def logged_in(home: Path, document: Any, place: str = ".docker/config.json") -> dict[str, str]:
    """Write a file of logins below a home; return an environment that has this home."""
    path = home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}


class Strict(http.server.BaseHTTPRequestHandler):
    """A registry whose tokens are for one scope, and which remembers every header and form."""

    seen: list[tuple[str, str, str]]
    challenge = "Bearer"
    realm = ""
    elsewhere = ""
    token = b'{"token": "%s"}'

    def do_GET(self) -> None:
        self.note()
        url = urlsplit(self.path)
        if url.path == "/token":
            self.give_token(parse_qs(url.query))
        elif not self.allows("pull"):
            self.refuse("pull")
        elif "/blobs/" in url.path and self.elsewhere:
            self.answer(307, Location=f"{self.elsewhere}/v2/a/b/blobs/there")
        else:
            self.answer(200, MANIFEST if "/manifests/" in url.path else BLOB)

    def do_HEAD(self) -> None:
        self.note()
        if self.allows("pull"):
            self.answer(404)
        else:
            self.refuse("pull")

    def do_POST(self) -> None:
        form = self.note()
        if self.path == "/token":
            self.give_token(parse_qs(form))
        elif self.allows("push"):
            self.answer(202, Location=f"{self.elsewhere}/v2/a/b/blobs/uploads/1")
        else:
            self.refuse("pull,push")

    def do_PUT(self) -> None:
        self.note()
        self.answer(201)

    def note(self) -> str:
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        authorization = self.headers.get("Authorization", "")
        self.seen.append((f"{self.command} {urlsplit(self.path).path}", authorization, form))
        return form

    def allows(self, action: str) -> bool:
        authorization = self.headers.get("Authorization", "")
        return authorization == basic("ada:1") or (
            authorization.startswith("Bearer ") and action in authorization
        )

    def give_token(self, facts: Mapping[str, list[str]]) -> None:
        assert facts["service"] == ["here"]
        self.answer(200, self.token.replace(b"%s", facts["scope"][0].encode()))

    def refuse(self, actions: str) -> None:
        realm = self.realm or f"http://{self.headers['Host']}/token"
        scope = f'realm="{realm}",service="here",scope="repository:a/b:{actions}"'
        self.answer(401, b"", **{"WWW-Authenticate": f"{self.challenge} {scope}"})

    def answer(self, code: int, data: bytes = b"", /, **headers: str) -> None:
        self.send_response(code)
        facts = {"Content-Type": MANIFEST_TYPE, "Content-Length": str(len(data)), **headers}
        for key, value in facts.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def registry(**facts: Any) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve; give `host:port` and what was asked with which authorization and form."""
    seen: list[tuple[str, str, str]] = []
    handler = type("Handler", (Strict,), {"seen": seen, **facts})
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"127.0.0.1:{server.server_port}", seen

"""What public registries ask of a client: tokens, redirects, and old or wrong manifests."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reprun.digests import sha256_bytes
from reprun.errors import InputsGoneError, IntegrityError, RegistryError, SpecificationError
from reprun.images.oci.layout import MANIFEST_TYPE
from reprun.images.oci.logins import VARIABLE
from reprun.images.oci.registry import OLD_TYPES, Registry, parse_reference
from tests.loopback import serving
from tests.strict_registry import basic

CONFIG = b'{"a": "config"}'
MANIFEST = b'{"schemaVersion": 2}'


class Guarded(http.server.BaseHTTPRequestHandler):
    """A registry that wants a token and sends blobs from another address."""

    seen: list[tuple[str, str]]
    challenge = "Bearer"
    media_type = MANIFEST_TYPE

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        authorization = self.headers.get("Authorization", "")
        self.seen.append((url.path, authorization))
        if url.path == "/token":
            facts = parse_qs(url.query)
            assert facts["service"] == ["here"]
            assert facts["scope"] == ["repository:a/b:pull"]
            self.answer(200, b'{"token": "t0ken"}')
        elif url.path == "/elsewhere":
            self.answer(200, CONFIG)
        elif authorization not in ("Bearer t0ken", basic("ada:secret")):
            self.refuse()
        elif url.path.startswith("/v2/a/b/blobs/"):
            self.answer(307, b"", Location="/elsewhere")
        elif url.path.endswith("/teapot"):
            self.answer(418, b"")
        else:
            self.answer(200, MANIFEST, **{"Content-Type": self.media_type})

    def refuse(self) -> None:
        realm = f'realm="http://{self.headers["Host"]}/token",service="here"'
        self.answer(401, b"", **{"WWW-Authenticate": f"{self.challenge} {realm}"})

    def answer(self, code: int, data: bytes, **headers: str) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def guarded(**facts: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve; give `host:port` and the list of what was asked with which authorization."""
    seen: list[tuple[str, str]] = []
    handler = type("Handler", (Guarded,), {"seen": seen, **facts})
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"127.0.0.1:{server.server_port}", seen


def login(host: str) -> dict[str, str]:
    return {VARIABLE: f"ada:secret@{host}"}


def client(host: str, environment: dict[str, str] | None = None) -> Registry:
    return Registry(parse_reference(f"{host}/a/b"), environment or {})


def test_a_token_is_fetched_once_and_never_sent_on_to_where_blobs_lie() -> None:
    with guarded() as (host, seen):
        registry = client(host)
        assert registry.manifest(sha256_bytes(MANIFEST)).data == MANIFEST
        assert registry.small_blob(sha256_bytes(CONFIG)) == CONFIG
    asked = [path.rpartition("/")[2].partition(":")[0] for path, _ in seen]
    assert asked == ["sha256", "token", "sha256", "sha256", "elsewhere"]
    assert seen[1] == ("/token", "")
    assert seen[3][1] == "Bearer t0ken"
    assert seen[4] == ("/elsewhere", "")


def test_a_login_goes_to_the_token_service_or_to_the_registry_itself() -> None:
    with guarded() as (host, seen):
        client(host, login(host)).resolve("v1")
    assert seen[1] == ("/token", basic("ada:secret"))
    with guarded(challenge="Basic") as (host, seen):
        client(host, login(host)).resolve("v1")
    assert seen[-1][1] == basic("ada:secret")
    with (
        guarded(challenge="Basic") as (host, _),
        pytest.raises(RegistryError, match="HTTP 401") as e,
    ):
        client(host).resolve("v1")
    assert VARIABLE in (e.value.hint or "")


def test_a_login_for_another_registry_is_not_sent() -> None:
    for challenge in ("Bearer", "Basic"):
        with guarded(challenge=challenge) as (host, seen), suppress(RegistryError):
            client(host, login("registry.example")).resolve("v1")
        assert not any("Basic" in sent for _, sent in seen)


def test_other_bytes_than_the_digest_are_refused() -> None:
    with guarded() as (host, _):
        registry = client(host)
        with pytest.raises(IntegrityError, match="returned content with a different digest"):
            registry.manifest("sha256:" + "0" * 64)
        with pytest.raises(IntegrityError, match="returned content with a different digest"):
            registry.small_blob("sha256:" + "0" * 64)


def test_an_old_manifest_is_refused_with_the_way_out() -> None:
    with guarded(media_type=OLD_TYPES[0]) as (host, _):
        with pytest.raises(SpecificationError, match="manifest schema 1") as caught:
            client(host).resolve("v1")
        assert "images import" in (caught.value.hint or "")


def test_an_answer_nobody_expects_is_named() -> None:
    with guarded() as (host, _):
        registry = client(host)
        registry.resolve("v1")
        with pytest.raises(RegistryError, match="answered HTTP 418"):
            registry.resolve("teapot")


@pytest.mark.parametrize(
    "text",
    ["name", "host/", "host/UPPER", "host/a/../b", "host/a@sha256:12", "host/a@md5:x", "ho st/a"],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(SpecificationError, match="is not HOST/REPOSITORY"):
        parse_reference(text)


def test_references() -> None:
    digest = "sha256:" + "a" * 64
    for text in ("docker.io/a", "localhost:5000/a/b-c", f"[::1]:5000/a@{digest}"):
        assert str(parse_reference(text)) == text
    with pytest.raises(SpecificationError, match="by a tag"):
        parse_reference("docker.io/a/b:latest")
    with pytest.raises(InputsGoneError, match="cannot be reached"):
        client("127.0.0.1:9").has_blob(digest) or client("127.0.0.1:9").resolve("v1")

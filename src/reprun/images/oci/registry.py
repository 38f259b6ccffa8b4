"""A container registry, spoken to by digest (OCI distribution specification 1.1).

Tags are only ever resolved into digests (`pin`), never trusted: whatever is pulled is asked
for by its digest, and hashed when it has arrived. What is pushed keeps its digests, because
layers go as they lie in the store. Loopback registries are spoken to without TLS, as Docker
does. A login (see `logins`) goes to the registry it belongs to and to the token service that this
registry names, and nowhere without TLS but to loopback.
"""

from __future__ import annotations

import io
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import IO, Any

from reprun.data.sources import innermost_reason, is_loopback
from reprun.digests import sha256_bytes, short
from reprun.errors import InputsGoneError, IntegrityError, RegistryError, SpecificationError
from reprun.images.bounds import LARGEST_DOCUMENT
from reprun.images.oci.layout import MANIFEST_TYPE
from reprun.images.oci.logins import VARIABLE, login_for
from reprun.wording import size_of

TIMEOUT_SECONDS = 60.0
CLIENT = "reprun"
"""Who a token service is told to give a token to."""
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
OLD_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
ACCEPTED = f"{MANIFEST_TYPE}, {INDEX_TYPE}, {DOCKER_MANIFEST_TYPE}, {DOCKER_INDEX_TYPE}"

_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Reference:
    """`host/repository`, perhaps with a digest."""

    host: str
    repository: str
    digest: str = ""

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else "")

    def at(self, digest: str) -> Reference:
        """Return the reference of one manifest there."""
        return Reference(self.host, self.repository, digest)


def parse_reference(text: str) -> Reference:
    """Read `host/repository[@sha256:…]`; raise SpecificationError for a tag or anything else."""
    where, at, digest = text.partition("@")
    host, slash, repository = where.partition("/")
    if ":" in repository:
        raise SpecificationError(
            f"{text} names an image by a tag, which may move: write its digest",
            hint="reprun images pin NAME",
        )
    good = slash and _HOST.fullmatch(host) and _REPOSITORY.fullmatch(repository)
    if not good or (at and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)):
        raise SpecificationError(f"'{text}' is not HOST/REPOSITORY or HOST/REPOSITORY@sha256:…")
    return Reference(host, repository, digest)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index as the registry holds it."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """What the registry calls it."""
        return sha256_bytes(self.data)


class Bounded(io.RawIOBase):
    """A blob as it arrives, which ends where its manifest says or is refused."""

    def __init__(self, stream: IO[bytes], size: int, digest: str) -> None:
        super().__init__()
        self._stream = stream
        self._left = size
        self._what = f"layer {short(digest)} is longer than the {size_of(size)} of its manifest"

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer`; raise IntegrityError for a byte too many."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._stream.read(min(len(view), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise IntegrityError(self._what)
        view[: len(data)] = data
        return len(data)


class _StripsLogin(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to where the blobs lie without taking the login there."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to send next."""
        follow = super().redirect_request(req, fp, code, msg, headers, newurl)
        if follow is not None:
            follow.remove_header("Authorization")
        return follow


class Registry:
    """One repository of one registry."""

    def __init__(self, reference: Reference, environment: Mapping[str, str] = os.environ) -> None:
        self.reference = reference
        host = "registry-1.docker.io" if reference.host == "docker.io" else reference.host
        repository = reference.repository
        if reference.host == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        self._repository = repository
        self._origin = f"{'http' if _is_loopback(host) else 'https'}://{host}"
        self._base = f"{self._origin}/v2/{repository}"
        self._environment = environment
        self._authorization = ""
        self._opener = urllib.request.build_opener(_StripsLogin)

    def resolve(self, tag: str) -> Manifest:
        """Return what a tag points to now. Only `pin` asks."""
        return self._manifest(tag)

    def manifest(self, digest: str) -> Manifest:
        """Return the manifest of a digest; raise IntegrityError for other bytes."""
        found = self._manifest(digest)
        if found.digest != digest:
            raise IntegrityError(
                f"{self.reference} returned content with a different digest for "
                f"{short(digest)}: {short(found.digest)}"
            )
        return found

    def small_blob(self, digest: str) -> bytes:
        """Return a blob that fits into memory, such as a config."""
        with self.blob(digest) as stream:
            data = self._document(stream)
        if sha256_bytes(data) != digest:
            raise IntegrityError(
                f"{self.reference} returned content with a different digest for {short(digest)}"
            )
        return data

    @contextmanager
    def blob(self, digest: str) -> Iterator[IO[bytes]]:
        """Open a blob; who reads it hashes it."""
        with self._ask("GET", f"{self._base}/blobs/{digest}") as response:
            yield response

    def has_blob(self, digest: str) -> bool:
        """Tell whether the registry has a blob."""
        return self._exists(f"{self._base}/blobs/{digest}")

    def push_blob(self, digest: str, stream: IO[bytes], size: int) -> None:
        """Upload a blob under its digest."""
        with self._ask("POST", f"{self._base}/blobs/uploads/", b"") as response:
            location = urllib.parse.urljoin(self._base, response.headers["Location"])
        separator = "&" if "?" in location else "?"
        target = f"{location}{separator}digest={urllib.parse.quote(digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._ask("PUT", target, stream, headers):
            pass

    def push_manifest(self, data: bytes, media_type: str) -> None:
        """Upload a manifest under its digest."""
        digest = sha256_bytes(data)
        with self._ask(
            "PUT", f"{self._base}/manifests/{digest}", data, {"Content-Type": media_type}
        ):
            pass

    def _manifest(self, name: str) -> Manifest:
        with self._ask("GET", f"{self._base}/manifests/{name}", headers={"Accept": ACCEPTED}) as r:
            media_type = r.headers.get_content_type()
            data = self._document(r)
        if media_type in OLD_TYPES:
            raise SpecificationError(
                f"{self.reference} has {name} only as manifest schema 1, which no current tool "
                "reads any more",
                hint="skopeo copy --format v2s2 …   # with an old skopeo; then: images import",
            )
        return Manifest(data, media_type)

    def _document(self, stream: IO[bytes]) -> bytes:
        data = stream.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise IntegrityError(
                f"{self.reference} returned a document of more than {size_of(LARGEST_DOCUMENT)}, "
                "the most that is read"
            )
        return data

    def _exists(self, url: str) -> bool:
        try:
            with self._ask("HEAD", url):
                return True
        except InputsGoneError:
            return False

    @contextmanager
    def _ask(
        self,
        method: str,
        url: str,
        data: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HTTPResponse]:
        """Send a request, with a token where the registry asks for one."""
        try:
            response = self._send(method, url, data, headers or {})
        except urllib.error.HTTPError as error:
            error.close()
            challenge = error.headers.get("WWW-Authenticate", "")
            # Where the registry sends us on to may not ask for the registry's login. A token that
            # was for reading, or has expired, is replaced once.
            if error.code != 401 or not self._is_own(error.url):
                raise self._refused(error.code) from error
            self._authenticate(challenge)
            if data is not None and not isinstance(data, bytes):
                data.seek(0)
            with self._reported():
                response = self._send(method, url, data, headers or {})
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        with response:
            yield response

    def _send(
        self, method: str, url: str, data: bytes | IO[bytes] | None, headers: Mapping[str, str]
    ) -> HTTPResponse:
        request = urllib.request.Request(url, data, dict(headers), method=method)  # noqa: S310
        if self._authorization and self._is_own(url):
            request.add_header("Authorization", self._authorization)
        response: HTTPResponse = self._opener.open(request, timeout=TIMEOUT_SECONDS)
        return response

    def _is_own(self, url: str) -> bool:
        return url.startswith(f"{self._origin}/")

    def _authenticate(self, challenge: str) -> None:
        """Answer a challenge: a token from the registry's token service, or the login itself."""
        login = login_for(self.reference.host, self._environment)
        kind = challenge.partition(" ")[0].lower()
        if kind == "basic" and login is not None and login.header != self._authorization:
            self._authorization = login.header
            return
        facts = dict(_CHALLENGE.findall(challenge))
        realm = facts.pop("realm", "")
        if kind != "bearer" or not realm:
            raise self._refused(401)
        self._check_realm(realm)
        facts.setdefault("scope", f"repository:{self._repository}:pull")
        url, form = f"{realm}?{urllib.parse.urlencode(facts)}", None
        if login is not None and login.is_identity_token:
            facts |= {"grant_type": "refresh_token", "client_id": CLIENT}
            url, form = realm, urllib.parse.urlencode({**facts, "refresh_token": login.secret})
        request = urllib.request.Request(url, form.encode() if form else None)  # noqa: S310 - checked
        if login is not None and form is None:
            request.add_header("Authorization", login.header)
        with self._reported(), self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            self._authorization = f"Bearer {self._token_in(response.read(LARGEST_DOCUMENT))}"

    def _check_realm(self, realm: str) -> None:
        scheme, _, rest = realm.partition("://")
        is_safe = scheme == "https" or (scheme == "http" and _is_loopback(rest.partition("/")[0]))
        if not is_safe:
            raise RegistryError(
                f"registry {self.reference.host} names a token service without TLS: {realm}; "
                "no login was sent"
            )

    def _token_in(self, data: bytes) -> str:
        try:
            document = json.loads(data)
            return str(document.get("token") or document["access_token"])
        except (ValueError, AttributeError, KeyError) as error:
            raise RegistryError(
                f"the token service of registry {self.reference.host} gave no token"
            ) from error

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refused(error.code) from error
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error

    def _refused(self, code: int) -> InputsGoneError | RegistryError:
        if code in (401, 403):
            return RegistryError(
                f"registry {self.reference.host} does not allow this for "
                f"{self.reference.repository} (HTTP {code})",
                hint=f"docker login {self.reference.host}   # or podman login; "
                f"or: export {VARIABLE}=USER:PASSWORD@{self.reference.host}",
            )
        if code in (404, 410):
            return InputsGoneError(
                f"not found in {self.reference.repository} of registry "
                f"{self.reference.host} (HTTP {code})"
            )
        return RegistryError(f"registry {self.reference.host} answered HTTP {code}")

    def _silent(self, error: Exception) -> InputsGoneError:
        reason = innermost_reason(error)
        return InputsGoneError(f"registry {self.reference.host} cannot be reached: {reason}")


def _is_loopback(host: str) -> bool:
    """Tell whether `HOST` or `HOST:PORT` is this machine."""
    return is_loopback(re.sub(r":\d+$", "", host).strip("[]"))

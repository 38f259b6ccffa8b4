"""The server's address, and the proof that it is the server's before any token goes there.

reana-client 0.9 verifies no certificate and sends the token in the URL. So reprun itself asks
`GET /api/ping` first, without token, over a connection whose certificate and host name Python's
ssl module has checked.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from urllib.parse import urlsplit

from reprun.data.sources import is_loopback
from reprun.errors import ReanaError, SpecificationError

VARIABLE = "REANA_SERVER_URL"
AUTHORITIES = "REANA_SERVER_CA_CERTS"
SECONDS = 20.0


def server_address(given: str | None, *, plain_http: bool = False) -> str:
    """Return the server's URL, from the command line or the environment.

    Raises SpecificationError where there is none, where it holds more than scheme, host and
    port, and for http:// to another machine unless that is asked for.
    """
    address = (given or os.environ.get(VARIABLE, "")).strip().rstrip("/")
    if not address:
        raise SpecificationError(
            f"no REANA server is named: neither --server nor {VARIABLE}",
            hint=f"export {VARIABLE}=https://reana.example.org",
        )
    parts = urlsplit(address)
    if "@" in address or parts.query or parts.fragment:
        # Not repeated: what stands there may be a secret.
        raise SpecificationError(
            "the server's address holds a login, a query or a fragment; give https://HOST[:PORT]"
        )
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path:
        raise SpecificationError(f"'{address}' is not a server address; give https://HOST[:PORT]")
    if parts.scheme == "http" and not plain_http and not is_loopback(parts.hostname):
        raise SpecificationError(
            f"{address} is not encrypted: whoever sees the connection could read your token",
            hint=f"--server https://{parts.netloc}   # or, if you mean it: --plain-http",
        )
    return address


def check_server(address: str) -> None:
    """Ask the server for a sign of life, its certificate checked; no token is sent.

    Raises ReanaError for a certificate that is not in order, for no answer, and for the answer
    of something else than REANA.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        try:
            context = ssl.create_default_context(cafile=os.environ.get(AUTHORITIES))
        except (OSError, ssl.SSLError) as error:
            raise ReanaError(
                f"{AUTHORITIES} names no readable certificates: {error}",
                place=os.environ.get(AUTHORITIES),
            ) from error
        connection = http.client.HTTPSConnection(host, parts.port, timeout=SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=SECONDS)
    try:
        connection.request("GET", "/api/ping", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        said = answer.read(1 << 16)
    except ssl.SSLCertVerificationError as error:
        raise ReanaError(
            f"the certificate of {host} cannot be verified ({error.verify_message}); "
            "no token was sent",
            hint=f"export {AUTHORITIES}=FILE   # if the server has an authority of its own",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise ReanaError(
            f"the REANA server {address} does not answer: {type(error).__name__} {error}; "
            "no token was sent",
            hint=f"curl {address}/api/ping",
        ) from error
    finally:
        connection.close()
    if answer.status != 200 or not _is_ping(said):
        where = answer.getheader("Location")
        moved = f", and points to {urlsplit(where).netloc}" if where else ""
        raise ReanaError(
            f"{address} does not answer as a REANA server: {answer.status}{moved}; "
            "no token was sent",
            hint=f"curl {address}/api/ping",
        )


def _is_ping(said: bytes) -> bool:
    try:
        return "message" in json.loads(said)
    except (ValueError, TypeError):
        return False

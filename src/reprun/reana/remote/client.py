"""The one module that talks to REANA: it starts the driver and turns its answers into ours.

What may be asked twice without harm (reading, uploading a file, stopping) is asked again after a
cut connection, a server error or a 429; `create` and `start` never are: who calls them looks first
at what the server knows.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reprun.errors import ReanaError
from reprun.files import temporary_file
from reprun.progress import announced
from reprun.reana.remote.access import VARIABLE as TOKEN
from reprun.reana.remote.access import Token
from reprun.reana.remote.environment import DRIVER
from reprun.reana.remote.server import VARIABLE as SERVER

ATTEMPTS = 5
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 30.0
LONGEST_LOG = 1 << 20
SUPPORTED = "0.9"
_HERE_TOO = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE")
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")
_OWN = ("REANA_SERVER_CA_CERTS", "REPRUN_REANA_TIMEOUT")


class RemoteError(ReanaError):
    """REANA refused, or could not be asked."""

    def __init__(self, what: str, kind: str, status: int, said: str) -> None:
        super().__init__(_sentence(what, kind, status, said), hint=_remedy(kind, status))
        self.kind = kind
        self.status = status
        self.said = said

    @property
    def passes(self) -> bool:
        """Whether the same request may well be answered a little later."""
        return self.kind == "connection" or self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that has arrived."""

    size: int
    sha256: str


class Client:
    """A driver process that talks to a server."""

    def __init__(self, python: Path, address: str, token: Token) -> None:
        self._token = token
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the client
        environment = {
            name: os.environ[name] for name in (*_HERE_TOO, *_NETWORK, *_OWN) if name in os.environ
        }
        environment |= {SERVER: address, TOKEN: token.reveal()}
        self._process = subprocess.Popen(
            announced([str(python), "-I", str(DRIVER)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is ours; it must not cut an answer off half-way
        )

    def __enter__(self) -> Self:
        """Return it; it ends with the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the driver; one that waits for a slow server is killed."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._log.close()

    def check_version(self) -> str:
        """Return the server's version; raise ReanaError for a line that is not supported."""
        try:
            version = str(self._again("checking the token", "about")["version"])
        except RemoteError as error:
            if error.status == 401:
                error.hint = (
                    f"check {TOKEN}; a server of the 0.95 line answers so too, and only "
                    f"{SUPPORTED} is supported"
                )
            raise
        if version and not version.startswith(f"{SUPPORTED}."):
            raise ReanaError(
                f"the server runs REANA {version}; reprun supports {SUPPORTED} only: the "
                "newer line has another protocol (workflow bundles, bearer tokens), which is not "
                "supported yet",
                hint="reprun reana export ANALYSIS   # and submit it with that line's own client",
            )
        return version

    def create(self, name: str, specification: Any) -> tuple[str, str]:
        """Create a workflow once; return its id and its name with the run number."""
        made = self._ask(f"creating {name}", "create", name=name, specification=specification)
        return str(made["id"]), str(made["name"])

    def upload(self, workflow: str, path: Path, name: str) -> None:
        """Upload a file to the workspace."""
        self._again(f"uploading {name}", "upload", workflow=workflow, path=str(path), name=name)

    def start(self, workflow: str) -> None:
        """Start a workflow, once."""
        self._ask("starting the workflow", "start", workflow=workflow)

    def status(self, workflow: str) -> Mapping[str, Any]:
        """Return status and progress."""
        found: Mapping[str, Any] = self._again("asking its status", "status", workflow=workflow)
        return found

    def logs(self, workflow: str) -> Mapping[str, Any]:
        """Return the logs: `job_logs` by job, `workflow_logs`, `engine_specific`."""
        found: Mapping[str, Any] = self._again("reading its logs", "logs", workflow=workflow)
        return found

    def files(self, workflow: str) -> Mapping[str, int]:
        """Return the size of every file of the workspace, by path."""
        found: Mapping[str, int] = self._again("listing its files", "files", workflow=workflow)
        return found

    def workflows(self) -> list[Mapping[str, str]]:
        """Return id, name, status and date of every workflow of the user."""
        found: list[Mapping[str, str]] = self._again("listing the workflows", "workflows")
        return found

    def download(self, workflow: str, name: str, target: Path, parts: Path) -> Downloaded:
        """Download a file of the workspace.

        Until it is whole it is in `parts`, a directory of the same file system; of a process that
        is killed it is swept there.
        """
        stream, part = temporary_file(parts)
        stream.close()
        try:
            got = self._again(
                f"downloading {name}",
                "download",
                workflow=workflow,
                name=name,
                target=str(target),
                part=str(part),
            )
        finally:
            part.unlink(missing_ok=True)
        return Downloaded(int(got["size"]), str(got["sha256"]))

    def stop(self, workflow: str) -> None:
        """Stop a running workflow."""
        self._again("stopping the workflow", "stop", workflow=workflow)

    def _again(self, what: str, operation: str, **request: Any) -> Any:
        """Ask for what may be asked twice."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(what, operation, **request)
            except RemoteError as error:
                if not error.passes or attempt == ATTEMPTS:
                    raise
            time.sleep(min(PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE))
        raise AssertionError

    def _ask(self, what: str, operation: str, **request: Any) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": operation, **request}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = "".join(f"\n    {each}" for each in self._printed())
            raise ReanaError(f"the REANA client has ended while {what}:{said}")
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise RemoteError(what, error["kind"], error["status"], self._hide(error["message"]))
        return answer["result"]

    def _hide(self, text: str) -> str:
        return self._token.redact(text)

    def _printed(self, most: int = 8) -> list[str]:
        """Return the end of what the driver's libraries printed."""
        # Not by seek: the driver writes with the same offset.
        text = os.pread(self._log.fileno(), LONGEST_LOG, 0).decode(errors="replace")
        lines = self._hide(text).splitlines()
        return [line for line in lines if line.strip()][-most:]


def _sentence(what: str, kind: str, status: int, said: str) -> str:
    match kind:
        case "http":
            return f"REANA answers {status} while {what}: {said}"
        case "connection":
            return f"no connection to REANA while {what}: {said}"
        case "tls":
            return f"the certificate of the REANA server cannot be verified while {what}: {said}"
        case "protocol":
            return f"REANA's response does not match its own interface while {what}: {said}"
    return f"the REANA client failed while {what}: {said}"


def _remedy(kind: str, status: int) -> str | None:
    if status in (401, 403):
        return f"check {TOKEN}: the token of your REANA profile, which may have expired"
    if kind == "connection" or status >= 500 or status == 429:
        return "type the same command again: it continues where it stopped"
    return None

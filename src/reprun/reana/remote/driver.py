"""reana-client, driven by JSON: one request a line on standard input, one answer a line back.

This file is run by the Python of the client's own environment and imports nothing of reprun.
A request is `{"do": NAME, …}`; an answer `{"result": …}`, or `{"error": {"kind", "status",
"message"}}`. The token is in the environment variable REANA_ACCESS_TOKEN; it is taken out of
the environment at once, and out of every text that goes back. Whatever the client's libraries
print goes to standard error.

reana-client 0.9 switches the check of certificates off (`verify=False`); here every request of
`requests`, which is all the client uses, is made to check, to follow no redirect (the token
stands in the URL) and to end after a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urljoin

CHUNK = 1 << 20
CONNECT_SECONDS = 10.0
PAGE = 1000

_LAST: list[Any] = []
"""The last response, for errors that do not say which status they had."""


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    token = os.environ.pop("REANA_ACCESS_TOKEN", "")
    warnings.simplefilter("ignore")
    _make_requests_careful()
    for line in sys.stdin:
        request = json.loads(line)
        _LAST.clear()
        try:
            result = OPERATIONS[request.pop("do")](token, **request)
            answer = {"result": result}
        except Exception as error:  # noqa: BLE001 - every failure is an answer
            answer = {"error": _described(error)}
        answers.write(_without(token, json.dumps(answer)) + "\n")
        answers.flush()


def _without(token: str, text: str) -> str:
    for form in {token, quote(token, safe=""), quote_plus(token), json.dumps(token)[1:-1]}:
        if form:
            text = text.replace(form, "***")
    return text


def _described(error: BaseException) -> dict[str, Any]:
    """Return what went wrong. The client raises a bare Exception whose context has the status."""
    import requests  # noqa: PLC0415
    from bravado.exception import HTTPError  # noqa: PLC0415

    known: BaseException | None = error
    while known is not None:
        if isinstance(known, HTTPError | _RefusedError):
            return _http(known.response.status_code, known.response.text, known.response.headers)
        if isinstance(known, requests.exceptions.RequestException | OSError):
            bad = isinstance(known, requests.exceptions.SSLError)
            return {"kind": "tls" if bad else "connection", "status": 0, "message": _said(known)}
        if known.__class__.__module__.startswith(("bravado", "swagger_spec_validator")):
            # Among them bravado's own wrappers of a connection that broke or took too long.
            lost = known.__class__.__name__ in ("BravadoConnectionError", "BravadoTimeoutError")
            kind = "connection" if lost else "protocol"
            return {"kind": kind, "status": 0, "message": _said(known)}
        known = known.__cause__ or known.__context__
    if _LAST and _LAST[-1].status_code >= 400:
        # An upload's error has lost its status on the way.
        return _http(_LAST[-1].status_code, _LAST[-1].text, _LAST[-1].headers)
    return {"kind": "client", "status": 0, "message": _said(error)}


def _said(error: BaseException) -> str:
    """Return what an error says; bravado's own say nothing, but what they were raised from does."""
    known: BaseException | None = error
    while known is not None:
        if str(known):
            return f"{type(known).__name__}: {known}"
        known = known.__cause__ or known.__context__
    return f"{type(error).__name__}: the server does not answer"


def _http(status: int, text: str, headers: Any) -> dict[str, Any]:
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:500]
    return {
        "kind": "http",
        "status": status,
        "message": message,
        "retry_after": headers.get("Retry-After", ""),
    }


class _RefusedError(Exception):
    def __init__(self, response: Any) -> None:
        super().__init__(response.status_code)
        self.response = response


def _make_requests_careful() -> None:
    import requests  # noqa: PLC0415

    authorities: str | bool = os.environ.get("REANA_SERVER_CA_CERTS") or True
    seconds = float(os.environ.get("REPRUN_REANA_TIMEOUT", "120"))
    send = requests.Session.send

    def careful(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        options["verify"] = authorities
        options["allow_redirects"] = False
        options["timeout"] = (CONNECT_SECONDS, seconds)
        response = send(session, request, **options)
        _LAST[:] = [response]
        return response

    requests.Session.send = careful  # type: ignore[assignment]


def validate(_token: str, directory: str) -> Any:
    """Load a project as REANA's client does before it creates a workflow; return it filled in."""
    from reana_client.validation.utils import validate_reana_spec  # noqa: PLC0415
    from reana_commons.specification import load_reana_spec  # noqa: PLC0415
    from reana_commons.validation.utils import validate_reana_yaml  # noqa: PLC0415

    before = Path.cwd()
    os.chdir(directory)
    try:
        path = "reana.yaml"
        specification = load_reana_spec(path, directory)
        _refuse_functions(specification)
        found = validate_reana_yaml(specification)
        if found:
            raise ValueError(f"REANA's validation warns: {json.dumps(found)}")
        validate_reana_spec(specification, path)
    except SystemExit as error:
        raise ValueError("REANA's validation refuses the project") from error
    finally:
        os.chdir(before)
        shutil.rmtree(Path(directory, ".snakemake"), ignore_errors=True)
    return json.loads(json.dumps(specification, sort_keys=True))


def _refuse_functions(specification: Any) -> None:
    """Name what the client could not send: it gives every named value of a rule to JSON."""
    for step in specification["workflow"]["specification"].get("steps", []):
        for part in ("inputs", "outputs", "params"):
            for name, value in step[part].items():
                if callable(value):
                    raise TypeError(
                        f"rule {step['name']}: `{name}` among its {part} is a function, which "
                        "reana-client cannot send; write the files in its place, or an input "
                        "function without a name"
                    )


def about(token: str) -> Any:
    """Return who we are to the server, and what the server allows."""
    you = _api().get_you(access_token=token).result()[0]
    info = _api().info(access_token=token).result()[0]
    return {"version": you.get("reana_server_version") or "", "info": _plain(info)}


def create(token: str, name: str, specification: Any) -> Any:
    """Create a workflow; return its id and name."""
    from reana_client.api import client  # noqa: PLC0415

    made = client.create_workflow(specification, name, token)
    return {"id": made["workflow_id"], "name": made["workflow_name"]}


def upload(token: str, workflow: str, path: str, name: str) -> Any:
    """Upload a file, read as it is sent; return its size."""
    from reana_client.api import client  # noqa: PLC0415

    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        # An empty stream would go in chunks without a length, which the server refuses.
        client.upload_file(workflow, stream if size else b"", name, token)
    return {"size": size}


def start(token: str, workflow: str) -> Any:
    """Start a workflow."""
    from reana_client.api import client  # noqa: PLC0415

    return _plain(client.start_workflow(workflow, token, {}))


def status(token: str, workflow: str) -> Any:
    """Return a workflow's status and progress."""
    from reana_client.api import client  # noqa: PLC0415

    return _plain(client.get_workflow_status(workflow, token))


def logs(token: str, workflow: str) -> Any:
    """Return a workflow's logs; the server wraps them in a JSON text."""
    from reana_client.api import client  # noqa: PLC0415

    return json.loads(client.get_workflow_logs(workflow, token)["logs"])


def files(token: str, workflow: str) -> Any:
    """Return name and size of every file of the workspace."""
    from reana_client.api import client  # noqa: PLC0415

    found: dict[str, int] = {}
    page = 1
    while items := client.list_files(workflow, token, page=page, size=PAGE):
        found |= {item["name"]: item["size"]["raw"] for item in items}
        if len(items) < PAGE:
            break
        page += 1
    return found


def workflows(token: str) -> Any:
    """Return id, name, status and date of every workflow of the user."""
    from reana_client.api import client  # noqa: PLC0415

    found: list[Any] = []
    page = 1
    while items := client.get_workflows(token, "batch", page=page, size=PAGE):
        found += [{key: item[key] for key in ("id", "name", "status", "created")} for item in items]
        if len(items) < PAGE:
            break
        page += 1
    return found


def download(token: str, workflow: str, name: str, target: str, part: str) -> Any:
    """Download one file, written to `part` as it arrives; return its size and sha256.

    The client's own function holds the whole file in memory.
    """
    import requests  # noqa: PLC0415
    from reana_client.utils import get_api_url  # noqa: PLC0415

    pattern = _api().download_file.operation.path_name
    endpoint = pattern.format(workflow_id_or_name=workflow, file_name=quote(name))
    place = Path(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    parameters = {"file_name": name, "access_token": token}
    url = urljoin(get_api_url(), endpoint)
    with (
        Path(part).open("wb") as stream,
        requests.get(url, params=parameters, stream=True) as response,  # noqa: S113 - see careful
    ):
        if response.status_code != 200:
            raise _RefusedError(response)
        for block in response.iter_content(CHUNK):
            stream.write(block)
            digest.update(block)
            size += len(block)
        expected = response.headers.get("Content-Length")
    if expected is not None and int(expected) != size:
        raise OSError(f"{name}: the connection ended after {size} of {expected} bytes")
    Path(part).chmod(0o644)
    Path(part).replace(place)
    return {"size": size, "sha256": f"sha256:{digest.hexdigest()}"}


def stop(token: str, workflow: str) -> Any:
    """Stop a running workflow at once."""
    from reana_client.api import client  # noqa: PLC0415

    return _plain(client.stop_workflow(workflow, True, token))


def _api() -> Any:
    from reana_client.api import client  # noqa: PLC0415

    return client.current_rs_api_client.api


def _plain(found: Any) -> Any:
    return json.loads(json.dumps(found, default=str))


OPERATIONS: dict[str, Any] = {
    one.__name__: one
    for one in (
        *(validate, about, create, upload, start),
        *(status, logs, files, workflows, download, stop),
    )
}

if __name__ == "__main__":
    main()

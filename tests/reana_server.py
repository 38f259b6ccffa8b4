"""A REANA 0.9 server for the tests: on loopback, with a memory, and it really runs the workflow.

Statuses, codes and sentences are those recorded from a real REANA 0.9.4
(../shared/notes/reana.md, section 4). Every request and every answer is compared with the OpenAPI
document that ships in reana-commons; what does not agree is kept in `violations`. On `start` the
uploaded Snakefile runs with the uploaded configuration in real containers, through our own
executor; images are found by their registry reference in `images`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import ssl
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft4Validator

from reprun.documents.record import StepRecord
from reprun.engines.base import ContainerEngine, ContainerJob, ContainerResult, EngineStatus, Output
from reprun.engines.box import Box
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.images.rootfs.sealed import Verified
from reprun.progress import Silent
from reprun.runs.run import ready_engine
from reprun.store.store import Store
from reprun.workflow.snakemake import LOG, WorkflowRequest, run_workflow
from reprun.workflow.workspace import Given
from tests.loopback import serving

TOKEN = "t0ken+with/odd=characters"
CHUNK = 1 << 20
_PROGRESS = re.compile(r"\[\d+/\d+\] (?P<rule>\S+).* (?P<state>done|FAILED|stopped) in")
UNKNOWN = (
    "REANA_WORKON is set to {}, but that workflow does not exist. "
    "Please set your REANA_WORKON environment variable appropriately."
)


@dataclass(slots=True)
class Fault:
    """What goes wrong the next `times` times an operation is asked for."""

    kind: str
    """`cut` (no answer), `lost` (done, no answer), `slow`, `corrupt`, `short`, or a status."""
    times: int
    seconds: float = 0.0


@dataclass(slots=True)
class Workflow:
    """One workflow on the server."""

    identity: str
    name: str
    run: int
    specification: dict[str, Any]
    home: Path
    created: dt.datetime
    status: str = "created"
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: str = ""
    stopping: bool = False
    starts: int = 0
    thread: threading.Thread | None = None
    began: dt.datetime | None = None
    ended: dt.datetime | None = None

    @property
    def workspace(self) -> Path:
        return self.home / "workspace"

    @property
    def label(self) -> str:
        return f"{self.name}.{self.run}"


class _Tells(Silent):
    """Progress that tells the server what ended."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def say(self, message: str) -> None:
        if found := _PROGRESS.search(message):
            state = "finished" if found["state"] == "done" else "failed"
            for job in self._workflow.jobs.values():
                if job["job_name"] == found["rule"] and job["status"] == "running":
                    job["status"] = state
                    return


class _Stoppable:
    """An engine that ends the workflow where that is asked for."""

    def __init__(self, engine: ContainerEngine, workflow: Workflow) -> None:
        self._engine = engine
        self._workflow = workflow
        self.name = engine.name
        self.converses = engine.converses

    def self_check(self) -> EngineStatus:
        return self._engine.self_check()

    def prepare(self, image: Image) -> Verified | None:
        return self._engine.prepare(image)

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                if self._workflow.stopping:
                    cancel.set()

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            return self._engine.run(job, stdout=stdout, stderr=stderr, cancel=cancel)
        finally:
            ended.set()
            watching.join()

    def sweep(self) -> list[str]:
        return self._engine.sweep()


class ReanaServer(ThreadingHTTPServer):
    """The server; `url` is its address."""

    daemon_threads = True

    def __init__(
        self,
        home: Path,
        openapi: Path,
        catalogue: Catalogue,
        store: Store,
        images: Mapping[str, str],
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.home = home
        self.interface = Interface(json.loads(openapi.read_text()))
        self.catalogue = catalogue
        self.store = store
        self.images = dict(images)
        self.workflows: dict[str, Workflow] = {}
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        """Operations in the order in which they were asked for."""
        self.violations: list[str] = []
        self.sabotage: dict[str, str] = {}
        """Files of the workspace that hold another text when the workflow starts."""
        self.version = "0.9.4"
        self.executes = True
        self.hold = threading.Event()
        """Set by default; while it is clear, workflows wait in `pending`."""
        self.hold.set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def fail(self, operation: str, kind: str | int, times: int = 1, seconds: float = 0.0) -> None:
        self.faults[operation] = Fault(str(kind), times, seconds)

    def fault(self, operation: str) -> Fault | None:
        with self.lock:
            found = self.faults.get(operation)
            if found is None or found.times == 0:
                return None
            found.times -= 1
            return found

    def find(self, name: str) -> Workflow | None:
        if name in self.workflows:
            return self.workflows[name]
        fitting = [one for one in self.workflows.values() if name in (one.name, one.label)]
        return fitting[-1] if fitting else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about clients that went away."""

    def finish_all(self, seconds: float = 120) -> None:
        """Wait for what runs."""
        for workflow in self.workflows.values():
            if workflow.thread is not None:
                workflow.stopping = True
                self.hold.set()
                workflow.thread.join(seconds)

    def execute(self, workflow: Workflow) -> None:
        """Run a workflow as REANA's engine does: the uploaded files, nothing else."""
        workflow.status = "pending"
        self.hold.wait()
        workflow.status = "running"
        workflow.began = _now()
        for name, text in self.sabotage.items():
            (workflow.workspace / name).write_text(text)
        try:
            failed = self._run(workflow) if self.executes else False
        except Exception as error:  # noqa: BLE001 - the engine's own failure ends the workflow
            workflow.log += f"{error}\n"
            failed = True
        workflow.ended = _now()
        workflow.status = "stopped" if workflow.stopping else "failed" if failed else "finished"

    def _run(self, workflow: Workflow) -> bool:
        document = workflow.specification
        config = dict(document["inputs"]["parameters"])
        here = self.images
        for key, value in config.items():
            if isinstance(value, str) and value.startswith("docker://"):
                config[key] = here[value.removeprefix("docker://")]
        used = [value for value in config.values() if value in here.values()]
        engine, _, _ = ready_engine(
            "runc", [self.catalogue.by_reference(one) for one in used], self.store, Silent()
        )
        for step in document["workflow"]["specification"]["steps"]:
            workflow.jobs[str(uuid.uuid4())] = {
                "job_name": step["name"],
                "status": "running",
                "docker_img": step["environment"],
                "cmd": step["commands"][0],
                "compute_backend": "Kubernetes",
                "backend_job_id": f"reana-run-job-{uuid.uuid4()}",
                "started_at": None,
                "finished_at": None,
                "logs": "",
            }
        run = workflow.home / "run"
        run.mkdir()
        outcome = run_workflow(
            WorkflowRequest(
                workspace=workflow.workspace,
                run_directory=run,
                snakefile=document["workflow"]["file"],
                images=self.catalogue.directories,
                config=config,
                targets=[],
                given=Given(workflow.workspace),
                confined=Box(self.store),
            ),
            _Stoppable(engine, workflow),
            2,
            self.store,
            _Tells(workflow),
        )
        workflow.log += (run / LOG).read_text(errors="replace")
        ran = {step.rule: step for step in outcome.steps}
        for identity, job in list(workflow.jobs.items()):
            if job["job_name"] in ran:
                _fill(job, ran[job["job_name"]], run)
            else:
                del workflow.jobs[identity]  # REANA knows only jobs that were submitted
        return outcome.error is not None or not all(step.succeeded for step in outcome.steps)


def _fill(job: dict[str, Any], step: StepRecord, run: Path) -> None:
    job["status"] = "finished" if step.succeeded else "failed"
    job["cmd"] = step.command
    job["started_at"] = _text(step.started)
    job["finished_at"] = _text(step.started + dt.timedelta(seconds=step.wall_seconds))
    path = Path(step.log) if Path(step.log).is_absolute() else run / step.log
    job["logs"] = path.read_text(errors="replace") if path.is_file() else ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _text(when: dt.datetime | None) -> str | None:
    return when.strftime("%Y-%m-%dT%H:%M:%S") if when else None


class Interface:
    """The OpenAPI document (Swagger 2.0), to hold requests and answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._operations = []
        for path, methods in document["paths"].items():
            parts = re.split(r"\{(\w+)\}", path)
            pattern = "".join(
                re.escape(part)
                if index % 2 == 0
                else f"(?P<{part}>{'.+' if part == 'file_name' else '[^/]+'})"
                for index, part in enumerate(parts)
            )
            for method, operation in methods.items():
                self._operations.append((method.upper(), re.compile(pattern), operation))

    def find(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        for verb, pattern, operation in self._operations:
            if verb == method and (found := pattern.fullmatch(path)):
                return operation, {key: unquote(value) for key, value in found.groupdict().items()}
        return None

    @staticmethod
    def faults_of_request(
        operation: Mapping[str, Any], query: Mapping[str, str], body: object
    ) -> list[str]:
        """Return what of a request the document does not allow; `body` None if it was no JSON."""
        found = []
        declared = {one["name"]: one for one in operation.get("parameters", [])}
        queries = {name for name, one in declared.items() if one["in"] == "query"}
        paths = {name for name, one in declared.items() if one["in"] == "path"}
        # reana-client repeats the file's name of the path in the query.
        found += [f"unknown parameter {name}" for name in query.keys() - queries - paths]
        for name, one in declared.items():
            if one["in"] == "query" and one.get("required") and name not in query:
                found.append(f"missing parameter {name}")
            if name in query and one.get("type") == "integer" and not query[name].isdigit():
                found.append(f"parameter {name} is not an integer")
            if name in query and "enum" in one and query[name] not in one["enum"]:
                found.append(f"parameter {name} is {query[name]}")
            if one["in"] == "body" and body is not None:
                found += _differences(one["schema"], body)
        return found

    @staticmethod
    def faults_of_answer(operation: Mapping[str, Any], status: int, body: object) -> list[str]:
        """Return what of an answer the document does not allow."""
        declared = operation["responses"].get(str(status))
        if declared is None:
            return [f"status {status} is not declared"]
        schema = declared.get("schema")
        if schema is None or schema.get("type") == "file" or body is None:
            return []
        return _differences(schema, body)


def _differences(schema: Mapping[str, Any], value: object) -> list[str]:
    return [error.message for error in Draft4Validator(_nullable(schema)).iter_errors(value)]


def _nullable(schema: Any) -> Any:
    """Return a schema of Swagger 2.0 as JSON Schema: `x-nullable` allows null."""
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _nullable(value) for key, value in schema.items()}
    if plain.pop("x-nullable", False):
        plain["type"] = [plain["type"], "null"]
    return plain


class _AnswerError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _Handler(BaseHTTPRequestHandler):
    server: ReanaServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        found = self.server.interface.find(self.command, parts.path)
        if found is None:
            self.server.violations.append(f"{self.command} {parts.path} is not an operation")
            self._send(404, {"message": "Not Found"})
            return
        operation, path = found
        name = operation["operationId"]
        self.server.asked.append(name)
        fault = self.server.fault(name)
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault is not None and (fault.kind == "cut" or fault.kind.isdigit()):
            if fault.kind == "cut":
                self._hang_up()
                return
            self._drain()
            self._send(int(fault.kind), {"message": f"told to answer {fault.kind}"})
            return
        body: Any = None
        if name != "upload_file":
            data = self._drain()
            body = json.loads(data) if data else None
        wrong = self.server.interface.faults_of_request(operation, query, body)
        self.server.violations += [f"{name}: {one}" for one in wrong]
        try:
            self._check_token(name, query)
            status, answer = getattr(self, f"_{name}")(path, query, body)
        except _AnswerError as error:
            if name == "upload_file":
                self._drain()
            status, answer = error.status, {"message": error.message}
        if isinstance(answer, Path):
            self._send_file(answer, path["file_name"], fault)
            return
        wrong = self.server.interface.faults_of_answer(operation, status, answer)
        self.server.violations += [f"{name} answers: {one}" for one in wrong]
        if fault is not None and fault.kind == "lost":
            self._hang_up()
            return
        self._send(status, answer)

    def _check_token(self, operation: str, query: Mapping[str, str]) -> None:
        if operation == "ping":
            if "access_token" in query:
                self.server.violations.append("ping was sent a token")
            return
        if "access_token" not in query:
            raise _AnswerError(401, "User not signed in")
        if query["access_token"] != TOKEN:
            raise _AnswerError(403, "Token not valid.")

    def _drain(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(2)

    def _send(self, status: int, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-RateLimit-Limit", "20")
        self.end_headers()
        self.wfile.write(data)

    def _send_file(self, path: Path, name: str, fault: Fault | None) -> None:
        size = path.stat().st_size
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.send_header("Content-Disposition", f"attachment; filename={name}")
        self.end_headers()
        corrupt = fault is not None and fault.kind == "corrupt"
        left = size // 2 if fault is not None and fault.kind == "short" else size
        with path.open("rb") as stream:
            while left and (block := stream.read(min(CHUNK, left))):
                left -= len(block)
                self.wfile.write(bytes([block[0] ^ 1]) + block[1:] if corrupt else block)
                corrupt = False
        if fault is not None and fault.kind == "short":
            self._hang_up()

    def _found(self, path: Mapping[str, str]) -> Workflow:
        name = path["workflow_id_or_name"]
        workflow = self.server.find(name)
        if workflow is None:
            raise _AnswerError(404, UNKNOWN.format(name))
        return workflow

    # Operations, named as in the document.

    def _ping(self, *_: Any) -> tuple[int, Any]:
        return 200, {"message": "OK", "status": "200"}

    def _get_you(self, *_: Any) -> tuple[int, Any]:
        return 200, {
            "email": "someone@example.org",
            "reana_server_version": self.server.version,
            "reana_token": {"status": "active", "value": TOKEN, "requested_at": "2026-01-01"},
        }

    def _info(self, *_: Any) -> tuple[int, Any]:
        return 200, {"compute_backends": {"title": "Backends", "value": ["kubernetes"]}}

    def _create_workflow(self, _path: Any, query: Any, body: Any) -> tuple[int, Any]:
        name = query["workflow_name"]
        if not isinstance(body, dict) or "type" not in body.get("workflow", {}):
            raise _AnswerError(400, "'type'")
        if body["workflow"]["type"] not in ("serial", "cwl", "yadage", "snakemake"):
            raise _AnswerError(500, "Unknown workflow type.")
        for one in body.get("inputs", {}).get("files", []):
            if ".." in one.split("/"):
                raise _AnswerError(400, f"Input path cannot contain '..': {one}")
        with self.server.lock:
            run = 1 + sum(one.name == name for one in self.server.workflows.values())
            identity = str(uuid.uuid4())
            home = self.server.home / identity
            workflow = Workflow(identity, name, run, body, home, _now())
            workflow.workspace.mkdir(parents=True)
            self.server.workflows[identity] = workflow
        return 201, {
            "message": "Workflow workspace created",
            "workflow_id": identity,
            "workflow_name": workflow.label,
        }

    def _upload_file(self, path: Any, query: Any, _body: Any) -> tuple[int, Any]:
        workflow = self._found(path)
        kind = self.headers.get("Content-Type", "")
        if kind != "application/octet-stream":
            raise _AnswerError(400, f"Wrong Content-Type {kind} use application/octet-stream")
        name = query["file_name"]
        if ".." in name.split("/"):
            raise _AnswerError(400, "'..' is not a valid path component")
        target = workflow.workspace / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers.get("Content-Length") or 0)
        with target.open("wb") as stream:
            while left and (block := self.rfile.read(min(CHUNK, left))):
                stream.write(block)
                left -= len(block)
        return 200, {"message": f"{name} has been successfully uploaded."}

    def _start_workflow(self, path: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        workflow = self._found(path)
        with self.server.lock:
            if workflow.status != "created":
                raise _AnswerError(
                    403,
                    f"Workflow {workflow.label} is already {workflow.status} and cannot be "
                    "started again.",
                )
            workflow.status = "queued"
            workflow.starts += 1
        workflow.thread = threading.Thread(
            target=self.server.execute, args=(workflow,), daemon=True
        )
        workflow.thread.start()
        return 200, {
            "message": "Workflow submitted",
            "workflow_id": workflow.identity,
            "workflow_name": workflow.label,
            "status": "queued",
            "user": "someone",
        }

    def _get_workflow_status(self, path: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        workflow = self._found(path)
        jobs = dict(workflow.jobs)

        def those(status: str) -> dict[str, Any]:
            found = [key for key, job in jobs.items() if status in ("total", job["status"])]
            return {"total": len(found), "job_ids": found}

        return 200, {
            "id": workflow.identity,
            "name": workflow.label,
            "status": workflow.status,
            "created": _text(workflow.created),
            "user": "someone",
            "logs": "",
            "progress": {
                **{key: those(key) for key in ("total", "running", "finished", "failed")},
                "current_command": None,
                "current_step_name": None,
                "run_started_at": _text(workflow.began),
                "run_finished_at": _text(workflow.ended),
            },
        }

    def _get_workflow_logs(self, path: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        workflow = self._found(path)
        logs = {
            "workflow_logs": workflow.log,
            "job_logs": dict(workflow.jobs),
            "engine_specific": None,
        }
        return 200, {
            "workflow_id": workflow.identity,
            "workflow_name": workflow.label,
            "user": "someone",
            "logs": json.dumps(logs),
        }

    def _get_files(self, path: Any, query: Any, _body: Any) -> tuple[int, Any]:
        workspace = self._found(path).workspace
        files = sorted(one for one in workspace.rglob("*") if one.is_file())
        files = [one for one in files if ".snakemake" not in one.parts]
        size, page = int(query.get("size", len(files) or 1)), int(query.get("page", 1))
        shown = files[(page - 1) * size : page * size]
        return 200, {
            "total": len(files),
            "items": [
                {
                    "name": one.relative_to(workspace).as_posix(),
                    "size": {"raw": one.stat().st_size, "human_readable": "some"},
                    "last-modified": "2026-01-01T00:00:00",
                }
                for one in shown
            ],
        }

    def _download_file(self, path: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        workspace = self._found(path).workspace
        target = workspace / path["file_name"]
        if not target.is_file():
            raise _AnswerError(404, f"{path['file_name']} does not exist.")
        return 200, target

    def _get_workflows(self, _path: Any, query: Any, _body: Any) -> tuple[int, Any]:
        found = list(self.server.workflows.values())[::-1]
        size, page = int(query.get("size", len(found) or 1)), int(query.get("page", 1))
        return 200, {
            "total": len(found),
            "items": [
                {
                    "id": one.identity,
                    "name": one.label,
                    "status": one.status,
                    "created": _text(one.created),
                    "user": "someone",
                }
                for one in found[(page - 1) * size : page * size]
            ],
        }

    def _set_workflow_status(self, path: Any, query: Any, _body: Any) -> tuple[int, Any]:
        workflow = self._found(path)
        if query["status"] != "stop" or workflow.status not in ("queued", "pending", "running"):
            raise _AnswerError(409, f"Workflow {workflow.identity} is not running.")
        workflow.stopping = True
        self.server.hold.set()
        if workflow.thread is not None:
            workflow.thread.join(60)
        return 200, {
            "message": "Workflow successfully stopped",
            "workflow_id": workflow.identity,
            "workflow_name": workflow.label,
            "status": workflow.status,
            "user": "someone",
        }


@contextmanager
def running_reana(
    home: Path,
    openapi: Path,
    catalogue: Catalogue,
    store: Store,
    images: Mapping[str, str],
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[ReanaServer]:
    """Run a server; fail at the end if a request or an answer was not as the document says."""
    server = ReanaServer(home, openapi, catalogue, store, images, certificate)
    try:
        with serving(server):
            try:
                yield server
            finally:
                server.finish_all()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert server.violations == []

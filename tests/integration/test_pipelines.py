"""The pipelines of `reprun ci init`: right by the services' own schemas, and run to a verdict.

No service is here: a shell runs the lines that its runner would. Lines that prepare the machine
(`pip install`, `apt-get`, `sysctl`) are left out, since the program under test and runc are there;
steps that are an action (`uses:`) keep and publish files, and have no line.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from reprun.authoring.ci import CI_FILES, CiSystem, pipeline
from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import Shell
from tests.pipelines import commands_of, with_comment

pytestmark = pytest.mark.slow

CHECKER = "check-jsonschema==0.39.0"
"""Brings the schemas of both services; in an environment of its own, so that it pins nothing."""
SCHEMAS = {
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
PREPARES = re.compile(r"python -m pip install|apt-get |sudo sysctl ")
ONE_SHELL = {"github": False, "gitlab": True}
"""Whether all lines of a job are given to one shell, as GitLab does."""


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that holds files to the official schemas."""
    home = tmp_path_factory.mktemp("checker")
    for command in (("venv", str(home)), ("pip", "install", "--python", str(home), CHECKER)):
        subprocess.run((sys.executable, "-m", "uv", *command), check=True, capture_output=True)
    return home / "bin" / "check-jsonschema"


def checked(checker: Path, system: CiSystem, file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(checker), "--builtin-schema", *SCHEMAS[system], str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("system", SCHEMAS)
def test_the_official_schemas(checker: Path, system: CiSystem, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    for below in ("", "it's below"):
        text = pipeline(system, tmp_path / below, tmp_path).text
        for each in (text, with_comment(text)):
            file.write_text(each)
            done = checked(checker, system, file)
            assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(text.replace("script:", "skript:").replace("steps:", "stebs:"))
    assert checked(checker, system, file).returncode == 1


@pytest.fixture
def clone(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A clone with a project below it: the example, and an analysis that `reprun new` wrote."""
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": "", "CI": "true"})
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    table = shell.write("numbers.csv", "x\n1.5\n2.5\n3.5\n")
    shell.reprun("init", "clone/my analyses", "--ci", "none")
    project = Shell(tmp_path / "clone" / "my analyses", store, shell.variables)
    project.reprun("new", "numbers", "--from", str(table))
    project.reprun("lock", "numbers")
    project.reprun("run", "numbers", code=5)
    project.reprun("bless", "numbers", "--reason", "tried", "--author", "the tests")
    return project


def played(system: CiSystem, project: Shell) -> int:
    """Run the lines of a pipeline as the service's runner does; return what the job ends with."""
    clone = project.directory.parent
    document = yaml.safe_load((clone / CI_FILES[system]).read_text())
    lines = [line for line in commands_of(document) if not PREPARES.match(line)]
    assert len(commands_of(document)) - len(lines) == 2
    github = system == "github"
    here = clone / document["defaults"]["run"]["working-directory"] if github else clone
    runner = Shell(here, project.store, project.variables)
    scripts = lines if github else ["\n".join(lines)]
    ended = 0
    for script in scripts:
        # A step of GitHub that has `if: always()` follows one that failed; others do not.
        if ended == 0 or "GITHUB_STEP_SUMMARY" in script:
            code = runner(
                *("bash", "-e", "-o", "pipefail", "-c", script),
                code=None,
                GITHUB_STEP_SUMMARY=str(clone / "summary.md"),
            ).returncode
            ended = ended or code
    return ended


@pytest.mark.parametrize("system", SCHEMAS)
def test_the_lines_lead_to_a_verdict(clone: Shell, system: CiSystem) -> None:
    project, home = clone.directory, clone.directory.parent
    clone.reprun("ci", "init", system)
    assert played(system, clone) == 0
    found = json.loads((project / "matrix.json").read_text())
    assert {cell["analysis"]: cell["state"] for cell in found["cells"]} == {
        "dimuon": "reproduced",
        "numbers": "reproduced",
    }
    assert "<testsuites" in (project / "matrix.xml").read_text()
    assert (project / "results" / "history.sqlite").is_file()
    if system == "github":
        assert (home / "summary.md").read_text() == (project / "matrix.md").read_text()
    # A reference that says something else: the job ends as the matrix does, and says it everywhere.
    reference = project / "analyses" / "numbers" / "reference" / "yields.csv"
    reference.write_text(reference.read_text().replace("3", "4"))
    assert played(system, clone) != 0
    found = json.loads((project / "matrix.json").read_text())
    assert {cell["state"] for cell in found["cells"]} != {"reproduced"}
    if system == "github":
        assert (home / "summary.md").read_text().endswith((project / "matrix.md").read_text())


@contextmanager
def notes_of_a_merge_request() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Serve the notes of one merge request as GitLab does; yield its address and the notes."""
    notes: list[dict[str, object]] = [{"id": 1, "body": "Looks good."}]

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, found: object) -> None:
            assert self.headers["PRIVATE-TOKEN"] == "a-token"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def _body(self) -> str:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            return parse_qs(sent)["body"][0]

        def do_GET(self) -> None:
            self._answer(notes)

        def do_POST(self) -> None:
            notes.append({"id": len(notes) + 1, "body": self._body()})
            self._answer(notes[-1])

        def do_PUT(self) -> None:
            number = int(urlsplit(self.path).path.rsplit("/", 1)[1])
            notes[number - 1]["body"] = self._body()
            self._answer(notes[number - 1])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/notes", notes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_gitlab_has_one_comment_that_is_updated(tmp_path: Path) -> None:
    job = yaml.safe_load(with_comment(pipeline("gitlab", tmp_path, tmp_path).text))["comment"]
    script = "\n".join(job["script"])
    with notes_of_a_merge_request() as (address, notes):
        for verdict in ("✅ all *reproduced* & well\n", "❌ red since 2026-03-02\n"):
            (tmp_path / "matrix.md").write_text(verdict)
            environment = {**os.environ, "NOTES": address, "REPRUN_TOKEN": "a-token"}
            subprocess.run(["bash", "-ec", script], cwd=tmp_path, env=environment, check=True)
            assert [note["body"] for note in notes] == [
                "Looks good.",
                f"<!-- reprun -->\n{verdict}",
            ]

"""Logs of the last run's steps, and a shell in one, on a terminal and without."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

pytestmark = pytest.mark.slow
SECONDS = 30

ANALYSIS = """
schema_version: 1
name: small
title: Two steps
experiment: none
dphep_level: "1"
code: [given.csv]
variants:
  columnar: {image: columnar}
outputs:
  tables: [out/t.csv]
compare:
  - {match: "*", kind: count}
"""
SNAKEFILE = """
rule t:
    input: "p/one", "given.csv"
    output: "out/t.csv"
    container: config["image"]
    shell: 'printf "n,x\\\\na,1\\\\n" > {output}; printf "half\\\\rtable made\\\\n"; exit 3'
rule part:
    output: "p/{n}"
    container: config["image"]
    shell: 'echo part {wildcards.n}; echo 1 > {output}'
"""


@pytest.fixture
def failed(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project with one analysis whose second step has failed."""
    project = tmp_path / "project"
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})
    (project / "images").symlink_to(ROOT / "images")
    shell.write("project/examples/small/analysis.yaml", ANALYSIS)
    shell.write("project/examples/small/Snakefile", SNAKEFILE)
    shell.write("project/examples/small/given.csv", "given\n")
    shell.reprun("lock", "small")
    shell.reprun("run", "small", code=4)
    return shell


def test_logs_and_commands_where_a_step_failed(failed: Shell) -> None:
    assert failed.reprun("logs", "small").stdout.splitlines() == [
        *("==> part-one (done)", "part one"),
        *("==> t (failed: exit code 3)", "half", "table made"),
    ]
    assert failed.reprun("logs", "small", "part").stdout.endswith("\npart one\n")
    document = json.loads(failed.reprun("logs", "small", "t", "--format", "json").stdout)
    assert document["steps"][0]["log"] == "half\rtable made\n"
    unknown = failed.reprun("logs", "small", "parts", code=2).stderr
    assert "no step 'parts'. Did you mean 'part'? It has: part-one, t" in unknown

    results = failed.directory / "results"
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    assert before
    seen = failed.reprun("shell", "small", "--", "bash", "-c", "cat p/one given.csv; touch new; ls")
    assert seen.stdout.splitlines() == [
        *("1", "given", "Snakefile", "given.csv", "new", "out", "p")
    ]
    assert "on a copy of its workspace" in seen.stderr
    script = "echo 2 > p/one; echo 2 > given.csv; echo 3 > out/t.csv; : > /dev/tcp/127.0.0.1/9"
    said = failed.reprun("shell", "small", "t", "--", "bash", "-c", script, code=4)
    assert said.stdout.count("Read-only file system") == 2
    assert "connect" in said.stdout
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
    assert "needs a terminal" in failed.reprun("shell", "small", code=2).stderr


def test_a_shell_on_a_terminal(failed: Shell) -> None:
    said = typed(failed, "reprun shell small part-one", "echo $((40+2)) >out; cat out; exit 5\n")
    assert "reprun:/work> " in said
    assert "\n42\r\n" in said
    assert not list((failed.directory / "results").rglob("reprun-*"))
    assert not (failed.directory / "results/small/columnar/workspace/out/out").exists()


@pytest.mark.docker
def test_a_shell_on_a_terminal_with_docker(failed: Shell, docker_url: str) -> None:
    text = "echo $((40+2)) >out; cat out; touch /x; stty size; exit 5\n"
    command = "reprun shell small part-one --engine docker"
    said = typed(failed, command, text, DOCKER_HOST=docker_url)
    assert "reprun:/work> " in said
    assert "\n42\r\n" in said
    assert "Read-only file system" in said
    assert not list((failed.directory / "results").rglob("reprun-*"))


def typed(shell: Shell, command: str, text: str, **variables: str) -> str:
    """Type something in a terminal that a command has; return all that is seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(shell.directory)
        words = [sys.executable, "-m", *command.split()]
        os.execve(sys.executable, words, shell.environment(**variables))
    said = b""
    sent = False
    while select.select([terminal], [], [], SECONDS)[0]:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        said += data
        if not sent and b"> " in said:
            os.write(terminal, text.encode())
            sent = True
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said
    return said.decode(errors="replace")

"""A host on which no sandbox can be made: no Snakefile is read, unless the user trusts it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from reprun.documents.record import TRUSTED
from tests.integration.host import LOGIN, TOKEN, Host

# In a mount name space of the command's own, so that others on this machine keep their runc.
WITHOUT_RUNC = 'mount --bind /dev/null "$(PATH="$PATH:/usr/sbin:/sbin" command -v runc)"; exec "$@"'
FIRST = "the Snakefile has run"
COMMANDS = (("run", "--engine", "docker"), ("plan",), ("lint",), ("matrix", "--engine", "docker"))


@pytest.fixture
def bare(host: Host, docker_url: str) -> Host:
    """The host with a Docker daemon and no runc."""
    host.prefix = ("unshare", "--mount", "sh", "-c", WITHOUT_RUNC, "sh")
    host.shell.variables["DOCKER_HOST"] = docker_url
    return host


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_a_sandbox_no_snakefile_is_read(bare: Host, command: tuple[str, ...]) -> None:
    bare.analysis_is(top='open("OUTSIDE/owned", "w")\n')
    name, *options = command
    whole = ("--format", "json") if name == "matrix" else ()
    said = bare.reprun(name, "tiny", *options, *whole, code=3)
    assert "no sandbox can be made: runc is not installed" in said
    assert "reprun … --trust-snakefile" in said


def test_a_trusted_snakefile_runs_and_everything_says_so(bare: Host) -> None:
    bare.analysis_is(top='assert "answer" in open("sub/helper.py").read()\n')
    said = bare.run("--engine", "docker", "--trust-snakefile", code=0)
    assert "the Snakefile is executed as you" in said
    assert "outside of a sandbox, trusted by --trust-snakefile" in " ".join(said.split())
    assert bare.record.sandbox == TRUSTED
    assert [step.engine for step in bare.record.steps] == ["docker", "docker"]
    for name in ("report.html", "report.json"):
        assert "trusted by --trust-snakefile" in (bare.run_directory / name).read_text()
    # The copies that it was given are gone, as no later run may take one for what is staged.
    assert (bare.run_directory / "workspace/sub/helper.py").read_text() == ""
    matrix = bare.reprun("matrix", "--engine", "docker", "--trust-snakefile", code=0)
    assert "trusted by --trust-snakefile" in " ".join(matrix.split())
    bare.prefix = ()
    # Another output list, say, and this Snakefile is confined; what is taken over was not.
    (bare.run_directory / "workspace/out/yields.csv").unlink()
    bare.run(code=0)
    assert [step.kept for step in bare.record.steps] == [True, False]
    assert bare.record.sandbox == TRUSTED
    bare.run("--again", code=0)
    assert bare.record.sandbox == "runc"


SHOWN = """
import json, os
raise WorkflowError("variables: " + json.dumps(sorted(os.environ.items())))
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_trusted_snakefile_is_given_no_variable_of_the_user(
    bare: Host, command: tuple[str, ...]
) -> None:
    bare.analysis_is(top=SHOWN)
    name, *options = command
    whole = ("--format", "json") if name == "matrix" else ()
    said = bare.reprun(name, "tiny", *options, *whole, "--trust-snakefile", code=2)
    assert "variables: " in said
    assert "LC_ALL" in said
    for hidden in (TOKEN, LOGIN, "DOCKER_HOST", "REPRUN_STORE", str(Path.home())):
        assert hidden not in said.partition("variables: ")[2].partition("]]")[0]


def test_what_a_trusted_snakefile_starts_ends_with_it(bare: Host) -> None:
    sleeper = f"{os.getpid()}.25"
    bare.analysis_is(top=f'import subprocess; subprocess.Popen(["sleep", "9{sleeper}"])\n')
    started = time.monotonic()
    bare.reprun("plan", "tiny", "--trust-snakefile", code=0)
    assert time.monotonic() - started < 60
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(sleeper.encode() in line for line in running)


LEAVE = """
for name in snakemake graphlib json reprun pulp yaml sitecustomize usercustomize appdirs; do
  mkdir -p $name
  echo "open('OUTSIDE/owned', 'w')" > $name.py
  cp $name.py $name/__init__.py
done
test -e again || { touch again; exit 1; }
"""


def test_no_module_that_a_step_leaves_runs_with_a_trusted_snakefile(bare: Host) -> None:
    bare.analysis_is(LEAVE)
    bare.run("--engine", "docker", "--trust-snakefile", code=4)
    assert "✓" in bare.run("--engine", "docker", "--trust-snakefile", code=0)


REACHES = """
import os
if os.path.exists("OUTSIDE/precious.txt"):
    raise WorkflowError("succeeded")
raise WorkflowError("nothing was reached")
"""


def test_where_a_sandbox_can_be_made_the_option_changes_nothing(host: Host) -> None:
    host.analysis_is(top=REACHES)
    said = host.run("--trust-snakefile", code=2)
    assert "--trust-snakefile changes nothing here" in said
    assert "nothing was reached" in said
    plan = host.reprun("plan", "tiny", "--trust-snakefile", "--format", "json", code=2)
    assert "nothing was reached" in plan
    host.analysis_is()
    host.run("--again", "--trust-snakefile", code=0)
    assert json.loads((host.run_directory / "record.json").read_text())["sandbox"] == "runc"

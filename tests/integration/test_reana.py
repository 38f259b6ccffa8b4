"""REANA end to end: the real client in its own environment against the server of the tests.

Never against a production cluster: see docs/reana.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from reprun.documents.analysis import load_analysis
from reprun.documents.project import read_project
from reprun.documents.record import read_record
from reprun.documents.selection import select
from reprun.engines.box import Box
from reprun.engines.confinement import confinement
from reprun.errors import (
    EngineError,
    IntegrityError,
    InterruptedRunError,
    NoSandboxError,
    ReanaError,
    SpecificationError,
    StepFailedError,
)
from reprun.history import rows
from reprun.history.database import FILE, looked_into
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.reana.remote import client as client_module
from reprun.reana.remote.access import Token
from reprun.reana.remote.client import RemoteError
from reprun.reana.remote.environment import client_python
from reprun.reana.remote.export import DIGESTS
from reprun.reana.remote.follow import Remote
from reprun.reana.remote.submission import STATE, Submission, read_submission
from reprun.reana.remote.submit import SubmitRequest, connected, finish, prepare_export, submit
from reprun.reana.remote.submit import remote_cell as cell_of
from reprun.runs.cell import load_cell
from reprun.runs.lock import write_lock
from reprun.runs.request import RunRequest
from reprun.runs.run import RunOutcome
from reprun.store.store import Store
from reprun.workflow.planning import plan_steps
from tests.integration.shell import ROOT, Shell
from tests.loopback import make_certificate
from tests.projects import mark_project
from tests.real_data import shared_data
from tests.reana_server import TOKEN, ReanaServer, running_reana

pytestmark = pytest.mark.reana

WHERE = "registry.example.org/hep/columnar"
FAST = 0.1

ANALYSIS = """
schema_version: 1
name: mini
title: A table
experiment: none
dphep_level: "1"
code: [code, rules]
parameters: {max_events: 0}
variants: {v: {image: columnar}}
outputs: {tables: [out/yields.csv]}
compare:
  - {match: "*", kind: count}
"""

SNAKEFILE = """
configfile: "config.yaml"
include: "rules/count.smk"

rule add:
    input: expand("out/{part}.txt", part=config["parts"]), code="code/add.sh"
    output: "out/yields.csv"
    container: config["image"]
    resources: mem_mb=500
    shell: "bash {input.code} > {output}"
"""

COUNT = """
rule count:
    output: "out/{part}.txt"
    container: config["image"]
    resources: mem_mb=500
    shell: "echo counting {wildcards.part}; echo 3 > {output}"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A project with the analysis `mini`, and a server to send it to."""

    server: ReanaServer
    store: Store
    home: Path

    @property
    def remote(self) -> Remote:
        return Remote(self.server.url, Token(TOKEN), FAST, FAST)

    @property
    def run(self) -> RunRequest:
        project = read_project(self.home / "project")
        return RunRequest(select(project, "mini", results=self.home / "results"))

    @property
    def request(self) -> SubmitRequest:
        return SubmitRequest(self.run, images={"columnar": WHERE}, follow=True)

    @property
    def run_directory(self) -> Path:
        return self.home / "results" / "mini" / "v.reana"

    def submit(self, *, follow: bool = True) -> RunOutcome | Submission:
        return submit(replace(self.request, follow=follow), self.remote, self.store, Silent())

    def judged(self) -> RunOutcome:
        outcome = self.submit()
        assert isinstance(outcome, RunOutcome)
        return outcome


@pytest.fixture(scope="session")
def openapi(store: Store) -> Path:
    """The OpenAPI document of the client's environment, which this makes where it is missing."""
    home = client_python(store, Silent()).parent.parent
    document = "reana_commons/openapi_specifications/reana_server.json"
    (found,) = home.glob(f"lib/python*/site-packages/{document}")
    return found


@pytest.fixture
def server(
    tmp_path: Path,
    store: Store,
    catalogue: Catalogue,
    columnar: Image,
    openapi: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ReanaServer]:
    """A server that knows the image columnar by its place in a registry."""
    monkeypatch.setenv("REPRUN_STORE", str(store.root))
    monkeypatch.setattr(client_module, "PAUSE_SECONDS", 0.01)
    images = {f"{WHERE}@{columnar.manifest}": columnar.reference}
    with running_reana(tmp_path / "server", openapi, catalogue, store, images) as running:
        yield running


@pytest.fixture
def site(
    server: ReanaServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """The analysis `mini`, locked and with a reference."""
    home = tmp_path / "project"
    directory = home / "examples" / "mini"
    for name, text in {
        "analysis.yaml": ANALYSIS,
        "Snakefile": SNAKEFILE,
        "rules/count.smk": COUNT,
        "config.yaml": "parts: [a, b]\n",
        "code/add.sh": "echo cut,events\ncat out/?.txt | awk '{s += $1} END {print \"all,\" s}'\n",
        "reference/yields.csv": "cut,events\nall,6\n",
        "reference/max-events-5/yields.csv": "cut,events\nall,6\n",
    }.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / "images").symlink_to(ROOT / "images")
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(home)))
    cell = load_cell(RunRequest(select(read_project(home), "mini"), update_lock=True), store)
    write_lock(cell.lock, cell.selection.directory)
    return Site(server, store, tmp_path)


def test_h4l_comes_back_with_the_verdict_of_a_local_run(
    shell: Shell, server: ReanaServer, columnar: Image
) -> None:
    shell.reprun("run", "cms-h4l", "--variant", "columnar", "--results", "local")
    shell = replace(shell, variables={"REANA_SERVER_URL": server.url, "REANA_ACCESS_TOKEN": TOKEN})
    chosen = ("cms-h4l", "--variant", "columnar")
    done = shell.reprun("submit", *chosen, "--follow", "--image", f"columnar={WHERE}")
    assert "✓ reproduced: 36 objects, all identical" in done.stdout
    assert re.search(r"\[\d/4\] make_histograms finished", done.stderr)
    home = shell.directory / "results" / "cms-h4l" / "columnar.embedded.reana"
    record = read_record(home)
    assert record is not None
    pulled = f"{WHERE}@{columnar.manifest}"
    assert {step.image for step in record.steps} == {pulled}
    assert record.engine.name == "REANA"
    assert record.engine.version == "0.9.4"
    local_record = read_record(shell.directory / "local" / "cms-h4l" / "columnar.embedded")
    assert local_record is not None
    for name in ("results/yields.csv", "results/mass4l.png"):
        assert record.outputs[name] == local_record.outputs[name]
    assert any(pulled in sentence for sentence in record.deviations)

    asked = len(server.asked)
    again = shell.reprun("submit", *chosen, "--follow", "--image", f"columnar={WHERE}")
    assert "nothing ran" in again.stdout
    assert len(server.asked) == asked

    status = shell.reprun("reana", "status", *chosen, "--format", "json")
    assert json.loads(status.stdout)["status"] == "finished"
    logs = shell.reprun("reana", "logs", *chosen, "--step", "plot")
    assert "==> plot (finished)" in logs.stdout
    listed = shell.reprun("reana", "list")
    assert "finished" in listed.stdout
    stopped = shell.reprun("reana", "stop", *chosen, code=3)
    assert "is not running" in stopped.stderr
    fetched = shell.reprun("reana", "fetch", *chosen)
    assert "✓ reproduced" in fetched.stdout

    texts = [each.stdout + each.stderr for each in (done, again, status, logs, listed, stopped)]
    texts.append(fetched.stdout + fetched.stderr)
    assert not any(form in text for text in texts for form in forms_of(TOKEN))
    assert not holding_the_token(shell.directory, but=server.home)


def test_a_submission_of_a_part_is_found_again_by_the_same_options(
    site: Site, shell: Shell
) -> None:
    variables = {
        "REANA_SERVER_URL": site.server.url,
        "REANA_ACCESS_TOKEN": TOKEN,
        "REPRUN_PROJECT": str(site.home / "project"),
    }
    shell = replace(shell, variables=variables)
    chosen = ("mini", "--max-events", "5")
    sent = shell.reprun("submit", *chosen, "--image", f"columnar={WHERE}")
    assert "now: reprun submit mini --max-events 5 --follow" in sent.stdout
    done = shell.reprun("submit", *chosen, "--image", f"columnar={WHERE}", "--follow")
    assert "on the first 5 events" in done.stdout
    status = shell.reprun("reana", "status", *chosen)
    assert "finished" in status.stdout
    assert "==> add (finished)" in shell.reprun("reana", "logs", *chosen).stdout
    assert "is not running" in shell.reprun("reana", "stop", *chosen, code=3).stderr
    assert "on the first 5 events" in shell.reprun("reana", "fetch", *chosen).stdout
    # Without the option it is another run, which was never submitted.
    other = shell.reprun("reana", "status", "mini", code=2)
    assert "try: reprun submit mini\n" in other.stderr


def forms_of(token: str) -> set[str]:
    return {token, quote(token, safe=""), quote(token)}


def holding_the_token(directory: Path, *, but: Path) -> list[Path]:
    """Return the files below a directory that hold the token, in any form."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return [
        path
        for path in files
        if but not in path.parents
        and any(form.encode() in path.read_bytes() for form in forms_of(TOKEN))
    ]


def test_an_error_of_the_clients_libraries_does_not_hold_the_token(
    store: Store, openapi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert openapi.is_file()
    monkeypatch.setattr(client_module, "PAUSE_SECONDS", 0.0)
    python = client_python(store, Silent())
    with client_module.Client(python, "http://127.0.0.1:9", Token(TOKEN)) as client:
        with pytest.raises(RemoteError, match="no connection to REANA") as down:
            client.workflows()
        # requests names the whole URL, in which REANA 0.9 has the token.
        assert "access_token=***" in down.value.message
        assert not any(form in f"{down.value!r}{down.value.said}" for form in forms_of(TOKEN))


def test_the_search_for_the_token_finds_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"x?access_token={quote(TOKEN, safe='')}&y")
    assert holding_the_token(tmp_path, but=tmp_path / "b") == [tmp_path / "a"]


def test_what_passes_by_itself_is_lived_through(site: Site) -> None:
    for operation, kind, times in (
        *(("create_workflow", "lost", 1), ("start_workflow", "lost", 1)),
        *(("get_you", "cut", 1), ("get_files", 500, 2), ("get_workflow_logs", 429, 2)),
        *(("upload_file", 429, 2), ("get_workflow_status", "cut", 2)),
        ("download_file", "corrupt", 1),
    ):
        site.server.fail(operation, kind, times)
    outcome = site.judged()
    assert outcome.report.reproduced
    (workflow,) = site.server.workflows.values()
    assert workflow.starts == 1
    assert site.server.asked.count("create_workflow") == 1
    assert site.server.asked.count("start_workflow") == 1
    assert all(fault.times == 0 for fault in site.server.faults.values()), "every one happened"


def test_bytes_that_keep_changing_on_the_way_are_never_judged(site: Site) -> None:
    assert isinstance(site.submit(follow=False), Submission)
    wait_for(site)
    site.server.fail("download_file", "corrupt", 10)
    with pytest.raises(IntegrityError):
        finish(site.run, site.remote, site.store, Silent())
    assert not (site.run_directory / "outputs" / "out" / "yields.csv").exists()
    assert not (site.run_directory / "report.json").exists()
    site.server.faults.clear()
    site.server.fail("download_file", "short", 2)
    assert finish(site.run, site.remote, site.store, Silent()).report.reproduced
    with looked_into(site.home / "results" / FILE) as history:
        assert history is not None
        (cell,) = rows.cells(history)
        damaged, whole = rows.nights(history, cell)
        engine = next(f for f in rows.factors(history, whole.record) if f.kind == "engine")
    assert (damaged.state, damaged.verdict) == ("failed", None)
    assert (whole.state, whole.verdict) == ("compared", "reproduced")
    assert engine.value.startswith("REANA ")


def wait_for(site: Site, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while any(one.status not in ("finished", "failed") for one in site.server.workflows.values()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("kind", "sentence"), [(401, "answers 401"), (403, "answers 403")])
def test_a_token_that_is_not_valid_stops_before_anything_is_made(
    site: Site, kind: int, sentence: str
) -> None:
    site.server.fail("get_you", kind)
    with pytest.raises(RemoteError, match=sentence) as refused:
        site.submit()
    assert "REANA_ACCESS_TOKEN" in str(refused.value.hint)
    assert site.server.workflows == {}
    wrong = replace(site.remote, token=Token("wrong"))
    with pytest.raises(RemoteError, match=r"Token not valid\."):
        submit(site.request, wrong, site.store, Silent())


def test_another_line_of_reana_is_named(site: Site) -> None:
    site.server.version = "0.95.0"
    with pytest.raises(ReanaError, match=r"runs REANA 0\.95\.0; reprun supports 0\.9 only"):
        site.submit()


def test_a_server_that_fails_for_long_is_told_and_the_next_command_goes_on(site: Site) -> None:
    site.server.fail("upload_file", 500, 100)
    with pytest.raises(RemoteError, match="answers 500 while uploading"):
        site.submit()
    site.server.faults.clear()
    site.server.executes = False
    assert isinstance(site.submit(follow=False), Submission)
    (workflow,) = site.server.workflows.values()
    assert workflow.starts == 1


def test_a_server_that_is_slow_is_waited_for_and_then_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.server.executes = False
    site.server.fail("get_you", "slow", 1, seconds=0.5)
    assert isinstance(site.submit(follow=False), Submission)
    monkeypatch.setenv("REPRUN_REANA_TIMEOUT", "0.2")
    site.server.fail("get_workflows", "slow", 10, seconds=0.6)
    with (
        connected(site.remote, site.store, Silent()) as client,
        pytest.raises(RemoteError, match="no connection to REANA while listing the workflows"),
    ):
        client.workflows()


def test_a_workflow_that_is_gone_is_a_404_and_is_made_again(site: Site) -> None:
    site.server.executes = False
    first = site.submit(follow=False)
    assert isinstance(first, Submission)
    site.server.workflows.clear()
    with (
        connected(site.remote, site.store, Silent()) as client,
        pytest.raises(RemoteError, match=r"answers 404.*does not exist"),
    ):
        client.status(first.remote)
    second = site.submit(follow=False)
    assert isinstance(second, Submission)
    assert list(site.server.workflows) == [second.workflow_id]
    assert second.workflow_id != first.workflow_id


def test_the_second_step_fails_and_the_end_of_its_log_is_shown(site: Site) -> None:
    site.server.sabotage = {"code/add.sh": "echo no luck at all >&2\nexit 3\n"}
    with pytest.raises(StepFailedError, match="step add failed on REANA") as failed:
        site.submit()
    assert "no luck at all" in failed.value.message
    record = read_record(site.run_directory)
    assert record is not None
    assert record.status == "failed"
    assert [step.rule for step in record.steps if not step.succeeded] == ["add"]
    assert not (site.run_directory / "report.json").exists()
    site.server.sabotage = {"code/add.sh": "echo cut,events\necho all,7\n"}
    assert not site.judged().report.reproduced, "the next command submits again, and judges"
    assert len(site.server.workflows) == 2


class _CtrlC(Silent):
    """Progress at which somebody types Ctrl-C when the workflow waits."""

    def say(self, message: str) -> None:
        if message.endswith(" is pending"):
            raise InterruptedRunError("interrupted")


def test_following_that_was_cut_off_goes_on(site: Site) -> None:
    site.server.hold.clear()
    with pytest.raises(InterruptedRunError, match=r"continues on http") as interrupted:
        submit(site.request, site.remote, site.store, _CtrlC())
    again = f"reprun submit mini --results {site.home / 'results'} --follow"
    assert again in str(interrupted.value.hint)
    state = read_submission(site.run_directory)
    assert state is not None
    assert state.phase == "started"
    assert TOKEN not in (site.run_directory / STATE).read_text()
    with pytest.raises(ReanaError, match="fetched when it has ended"):
        finish(site.run, site.remote, site.store, Silent())
    threading.Timer(1.0, site.server.hold.set).start()
    assert site.judged().report.reproduced
    (workflow,) = site.server.workflows.values()
    assert workflow.starts == 1


def test_a_running_submission_is_stopped_and_not_forgotten_when_inputs_change(
    site: Site,
) -> None:
    site.server.hold.clear()
    submitted = site.submit(follow=False)
    assert isinstance(submitted, Submission)
    changed = replace(site.request, run=replace(site.run, update_lock=True))
    script = site.home / "project" / "examples" / "mini" / "code" / "add.sh"
    script.write_text(script.read_text() + "# another\n")
    with pytest.raises(
        SpecificationError, match="with inputs that differ from the current ones"
    ) as refused:
        submit(changed, site.remote, site.store, Silent())
    assert "reprun reana stop" in str(refused.value.hint)
    with pytest.raises(SpecificationError, match="with inputs that differ from the current ones"):
        finish(changed.run, site.remote, site.store, Silent())
    with connected(site.remote, site.store, Silent()) as client:
        client.stop(submitted.remote)
        assert client.status(submitted.remote)["status"] == "stopped"
        with pytest.raises(RemoteError, match=r"answers 409.*is not running"):
            client.stop(submitted.remote)


def test_a_second_start_is_refused_by_the_server(site: Site) -> None:
    site.server.executes = False
    submitted = site.submit(follow=False)
    assert isinstance(submitted, Submission)
    with (
        connected(site.remote, site.store, Silent()) as client,
        pytest.raises(RemoteError, match="cannot be started again"),
    ):
        client.start(submitted.remote)


def test_a_certificate_is_checked_by_us_and_in_every_request(
    site: Site,
    openapi: Path,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, certificate = make_certificate(tmp_path)
    home = tmp_path / "tls"
    with running_reana(home, openapi, catalogue, site.store, {}, (certificate, key)) as server:
        remote = Remote(server.url, Token(TOKEN))
        with (
            pytest.raises(ReanaError, match="no token was sent"),
            connected(remote, site.store, Silent()),
        ):
            pass
        # The client itself would not look; told to by us, it does.
        python = client_python(site.store, Silent())
        with (
            client_module.Client(python, server.url, Token(TOKEN)) as client,
            pytest.raises(RemoteError, match="certificate of the REANA server"),
        ):
            client.workflows()
        assert server.asked == []
        monkeypatch.setenv("REANA_SERVER_CA_CERTS", str(certificate))
        with connected(remote, site.store, Silent()) as client:
            assert client.workflows() == []


@pytest.mark.parametrize("analysis", ["cms-h4l", "mini"])
def test_an_export_loads_in_snakemake_7_with_the_same_commands(
    site: Site, analysis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if analysis != "mini":
        monkeypatch.setenv("REPRUN_PROJECT", str(ROOT))
    variant = "columnar" if analysis == "cms-h4l" else None
    project = read_project(ROOT if analysis == "cms-h4l" else site.home / "project")
    selection = select(project, analysis, variant=variant, results=site.home / "results")
    run = RunRequest(selection)
    cell = cell_of(run, site.store)
    directory = site.home / "exported"
    exported, specification = prepare_export(
        cell, directory, None, {"columnar": WHERE}, Box(site.store), site.store, Silent()
    )
    assert specification["workflow"]["type"] == "snakemake"
    steps = specification["workflow"]["specification"]["steps"]
    assert {step["name"] for step in steps} == {step.rule for step in exported.steps}
    assert all("@sha256:" in step["environment"] for step in steps)
    assert all(step["kubernetes_memory_limit"] for step in steps)
    assert not (directory / ".snakemake").exists()
    alone = plan_steps(
        cell.selection.directory,
        cell.selection.snakefile,
        cell.lock.code,
        [file.path for file in cell.selection.data.files] if cell.selection.data else [],
        cell.plan.config,
        cell.plan.targets,
        Box(site.store),
    )
    commands = sorted(step.command for step in exported.steps if DIGESTS not in step.outputs)
    assert commands == sorted(step.command for step in alone.steps)
    python = client_python(site.store, Silent())
    seven = subprocess.run(
        [
            *(str(python), "-m", "snakemake", "--snakefile", "reana.smk", "--dry-run"),
            *("--printshellcmds", "--cores", "1", "--configfile", "reana-parameters.yaml"),
        ],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )
    said = " ".join(seven.stdout.split())
    for step in exported.steps:
        assert " ".join(step.command.split()) in said
    assert f"total {len(exported.steps)}" in said


def test_every_example_is_valid_to_reana_or_refused_with_its_reason(
    store: Store, openapi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert openapi.is_file()
    monkeypatch.setenv("REPRUN_MIRRORS", str(shared_data()))
    refused = {}
    valid = []
    project = read_project(ROOT)
    for name in project.analysis_names():
        analysis = load_analysis(project.analysis_directory(name))
        for variant in analysis.variants:
            cell_name = f"{name}/{variant}"
            try:
                selection = select(project, name, variant=variant, results=tmp_path)
                cell = cell_of(RunRequest(selection), store)
                images = {one.name: f"{WHERE}-{one.name}" for one in cell.images.values()}
                place = tmp_path / cell_name
                prepare_export(cell, place, None, images, Box(store), store, Silent())
            except SpecificationError as error:
                refused[cell_name] = error.message
            else:
                valid.append(cell_name)
    assert {"cms-h4l/columnar", "cms-h4l/legacy-py2", "cms-dimuon/root-6.40"} <= set(valid)
    assert refused.keys() == {"cms-h4l-aod/cmssw"}, refused
    assert "not pinned" in refused["cms-h4l-aod/cmssw"]
    # Conditions travel as files of the workspace, and the Snakefile is told where they lie.
    (lists,) = (tmp_path / "cms-h4l-events").rglob("conditions/cms-validated-runs-2011/*.txt")
    assert lists.stat().st_size == 19347
    (sent,) = (tmp_path / "cms-h4l-events").rglob("reana-parameters.yaml")
    parameters = yaml.safe_load(sent.read_text())
    assert parameters["conditions_cms-validated-runs-2011"] == "conditions/cms-validated-runs-2011"


REACHES = """
import os, socket
reached = [name for name in os.environ if "TOKEN" in name or name.startswith("REPRUN")]
def attack_reads(): open("OUTSIDE/precious.txt")
def attack_writes(): open("OUTSIDE/owned", "w")
def attack_project(): open("code/add.sh", "a")
def attack_link(): os.symlink("OUTSIDE/precious.txt", "link"); open("link")
def attack_home(): open("HOME/.profile")
def attack_network(): socket.create_connection(("127.0.0.1", PORT), 1)
for name, attack in list(globals().items()):
    if name.startswith("attack_"):
        try:
            attack()
            reached.append(name)
        except OSError:
            pass
if reached:
    raise ValueError(f"reached: {reached}")
"""


@pytest.fixture
def hostile(site: Site) -> Path:
    """Let the Snakefile look for the host whoever executes it; return what it looks for."""
    outside = site.home / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    port = str(site.server.url).rpartition(":")[2].strip("/")
    top = REACHES.replace("OUTSIDE", str(outside)).replace("HOME", str(Path.home()))
    snakefile = site.home / "project/examples/mini/Snakefile"
    snakefile.write_text(top.replace("PORT", port) + snakefile.read_text())
    cell = load_cell(replace(site.run, update_lock=True), site.store)
    write_lock(cell.lock, cell.selection.directory)
    return outside


def test_a_snakefile_reaches_nothing_on_its_way_to_reana(site: Site, hostile: Path) -> None:
    """It is executed twice: by our Snakemake, and by that of REANA's own client."""
    cell = cell_of(site.run, site.store)
    at = {"columnar": WHERE}
    exported, _ = prepare_export(
        cell, site.home / "exported", None, at, Box(site.store), site.store, Silent()
    )
    assert not (exported.directory / ".snakemake").exists()
    assert isinstance(site.submit(follow=False), Submission)
    assert [path.name for path in hostile.iterdir()] == ["precious.txt"]


def test_a_snakefile_is_not_believed_about_its_own_validation(site: Site, hostile: Path) -> None:
    snakefile = site.home / "project/examples/mini/Snakefile"
    lies = "import os, snakemake\nif snakemake.__version__[0] == '7':\n    os._exit(0)\n"
    snakefile.write_text(lies + SNAKEFILE)
    cell = cell_of(replace(site.run, update_lock=True), site.store)
    at = {"columnar": WHERE}
    with pytest.raises(SpecificationError, match="it has ended without an answer"):
        prepare_export(cell, site.home / "e", None, at, Box(site.store), site.store, Silent())


def test_without_a_sandbox_a_snakefile_goes_to_reana_only_if_it_is_trusted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise EngineError("runc is not installed")

    monkeypatch.setattr("reprun.engines.containers._program", missing)
    with pytest.raises(NoSandboxError, match="runc is not installed") as error:
        site.submit(follow=False)
    assert "--trust-snakefile" in str(error.value.hint)
    assert site.server.workflows == {}
    cell = cell_of(site.run, site.store)
    at, place = {"columnar": WHERE}, site.home / "exported"
    with pytest.raises(NoSandboxError, match="runc is not installed"):
        prepare_export(cell, place, None, at, Box(site.store), site.store, Silent())
    assert not place.exists()
    trusted = confinement(site.store, trusted=True, progress=Silent())
    exported, specification = prepare_export(cell, place, None, at, trusted, site.store, Silent())
    assert specification["workflow"]["type"] == "snakemake"
    assert not (exported.directory / ".snakemake").exists()


def test_what_cannot_travel_is_refused(site: Site) -> None:
    request = replace(site.request, images=None)
    with pytest.raises(SpecificationError, match="on this machine only"):
        submit(request, site.remote, site.store, Silent())
    request = replace(site.request, images={"columnar": WHERE, "root": WHERE})
    with pytest.raises(SpecificationError, match="does not use it"):
        submit(request, site.remote, site.store, Silent())
    assert site.server.workflows == {}
    cell = cell_of(site.run, site.store)
    snakefile = cell.selection.directory / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("shell:", 'benchmark: "x"\n    shell:'))
    cell = cell_of(replace(site.run, update_lock=True), site.store)
    at, store = {"columnar": WHERE}, site.store
    with pytest.raises(SpecificationError, match="would not run on REANA") as refused:
        prepare_export(cell, site.home / "e", None, at, Box(store), store, Silent())
    assert re.search(r"Snakefile:\d+: .*benchmark", refused.value.message)
    snakefile.write_text(SNAKEFILE.replace("code=", "other=lambda w: [], code="))
    cell = cell_of(replace(site.run, update_lock=True), site.store)
    with pytest.raises(SpecificationError, match="rule add: `other` among its inputs is a functi"):
        prepare_export(cell, site.home / "f", None, at, Box(store), store, Silent())

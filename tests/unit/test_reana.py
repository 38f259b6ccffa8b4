"""REANA without a server: the token, the address, the state, the project's parts, the records."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import sys
from pathlib import Path

import pytest

from reprun.authoring.lint import Finding
from reprun.errors import InputsGoneError, IntegrityError, ReanaError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.oci import layout
from reprun.images.oci.registry import Registry
from reprun.reana.remote.access import VARIABLE, Token, take_token
from reprun.reana.remote.client import RemoteError
from reprun.reana.remote.environment import BUILD_TOOLS, LOCK, build_lock
from reprun.reana.remote.export import (
    add_memory_limits,
    image_references,
    read_digests,
    refuse,
    workflow_text,
)
from reprun.reana.remote.record import failed_job, jobs_of
from reprun.reana.remote.server import check_server, server_address
from reprun.reana.remote.submission import STATE, Submission, read_submission, write_submission
from tests.http_server import Server
from tests.unit import builders

SECRET = "a+b/c=d&e"


def test_a_token_is_shown_by_nothing() -> None:
    token = Token(SECRET)
    shown = f"{token} {token!r} {[token]} {vars(token) if hasattr(token, '__dict__') else ''}"
    assert SECRET not in shown
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.copy(token)


@pytest.mark.parametrize(
    "url",
    [
        f"https://reana.example.org/api/you?access_token={SECRET}",
        "https://reana.example.org/api/you?access_token=a%2Bb%2Fc%3Dd%26e&page=1",
    ],
)
def test_a_token_is_redacted_in_every_form_a_url_has_it(url: str) -> None:
    redacted = Token(SECRET).redact(f"Max retries exceeded with url: {url} (x)")
    assert "access_token=***" in redacted
    assert "a+b" not in redacted
    assert "a%2B" not in redacted


def test_a_token_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f" {SECRET}\n")
    assert take_token().reveal() == SECRET
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SpecificationError, match="no access token"):
        take_token()


def test_an_address_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REANA_SERVER_URL", "https://one.example.org/")
    assert server_address(None) == "https://one.example.org"
    assert server_address("https://two.example.org:8443") == "https://two.example.org:8443"
    monkeypatch.delenv("REANA_SERVER_URL")
    with pytest.raises(SpecificationError, match="no REANA server is named"):
        server_address(None)


def test_plain_http_needs_to_be_asked_for_except_on_loopback() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:8080"):
        assert server_address(f"http://{host}") == f"http://{host}"
    with pytest.raises(SpecificationError, match="not encrypted") as refused:
        server_address("http://reana.example.org")
    assert "https://reana.example.org" in str(refused.value.hint)
    with pytest.raises(SpecificationError, match="not encrypted"):
        server_address("http://127.0.0.1.example.org")
    assert server_address("http://reana.example.org", plain_http=True)


@pytest.mark.parametrize(
    "address",
    [
        "reana.example.org",
        "ftp://reana.example.org",
        "https://",
        "https://reana.example.org/api",
        f"https://reana.example.org?access_token={SECRET}",
        f"https://me:{SECRET}@reana.example.org",
    ],
)
def test_an_address_is_scheme_host_and_port_and_holds_no_secret(address: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        server_address(address)
    assert SECRET not in refused.value.message


def test_what_does_not_answer_as_reana_gets_no_token(server: Server) -> None:
    with pytest.raises(ReanaError, match=r"as a REANA server: 200; no token was sent"):
        check_server(server.url("").rstrip("/"))
    assert server.asked == ["/api/ping"]


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(ReanaError, match=r"does not answer: ConnectionRefusedError"):
        check_server("http://127.0.0.1:9")


SNAKEFILE = """
rule a:
    output: "a.txt"
    container: config["image"]
    resources:
        runtime=5,
        mem_mb=1500
    shell: "echo mem_mb=3 > {output}"

rule b:
    output: "b.txt"
    resources: mem_mb=500, kubernetes_memory_limit="600Mi"
    shell: "true"

rule c:
    output: "c.txt"
    shell: "true"
"""


def test_reanas_memory_limit_is_added_where_it_is_missing(tmp_path: Path) -> None:
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(SNAKEFILE)
    twin = tmp_path / "twin"
    twin.hardlink_to(snakefile)
    assert add_memory_limits(snakefile, snakefile.parent) == [
        "rule a: kubernetes_memory_limit added, from mem_mb"
    ]
    expected = SNAKEFILE.replace("mem_mb=1500", 'mem_mb=1500, kubernetes_memory_limit="1500Mi"')
    assert snakefile.read_text() == expected
    assert twin.read_text() == SNAKEFILE, "another name of the file stays as it was"
    assert add_memory_limits(snakefile, snakefile.parent) == []


def test_no_file_outside_of_the_export_is_changed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text(SNAKEFILE)
    written = tmp_path / "written"
    written.mkdir()
    snakefile = written / "Snakefile"
    snakefile.write_text(f'if False:\n    include: "{mine}"\n    include: "../mine"\n')
    assert add_memory_limits(snakefile, written) == []
    assert mine.read_text() == SNAKEFILE


@pytest.mark.parametrize("given", ["lambda w: 100", "2 * 500", "500 * 2", "SIZE"])
def test_a_memory_limit_that_cannot_be_derived_is_refused(tmp_path: Path, given: str) -> None:
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(SNAKEFILE.replace("mem_mb=1500", f"mem_mb={given}"))
    with pytest.raises(
        SpecificationError, match="rule a: `mem_mb` is not a plain number"
    ) as refused:
        add_memory_limits(snakefile, snakefile.parent)
    assert str(refused.value.place).endswith("Snakefile:5")


def test_the_first_rule_asks_for_the_outputs() -> None:
    text = workflow_text("Snakefile", ["out/a b.root", "it's.csv"])
    compile(
        "".join(x for x in text.splitlines(True) if "'" in x and "include" in x)[9:], "x", "eval"
    )
    assert text.index("rule reprun_digests") < text.index("include: 'Snakefile'")
    assert "'out/a b.root'," in text
    assert '"it\'s.csv",' in text


def test_digests_are_read_with_blanks_in_names() -> None:
    line = f"{'0' * 64}  out/a b.root\n"
    assert read_digests(line) == {"out/a b.root": "sha256:" + "0" * 64}


def test_an_image_that_is_here_only_is_refused(catalogue: Catalogue) -> None:
    image = catalogue.locked("columnar")
    with pytest.raises(SpecificationError, match="on this machine only") as refused:
        image_references([image], catalogue, {}, None)
    assert "reprun images push columnar" in str(refused.value.hint)


def test_an_image_is_named_by_the_locked_digest(catalogue: Catalogue) -> None:
    image = catalogue.locked("columnar")
    where = "registry.example.org/hep/columnar"
    found = image_references([image], catalogue, {"columnar": where}, None)
    assert found == {"columnar": f"{where}@{image.manifest}"}
    other = f"{where}@sha256:{'1' * 64}"
    with pytest.raises(IntegrityError, match="is not the locked image columnar"):
        image_references([image], catalogue, {"columnar": other}, None)
    with pytest.raises(SpecificationError, match="by a tag"):
        image_references([image], catalogue, {"columnar": f"{where}:latest"}, None)


def test_lints_errors_are_listed_and_warnings_are_not() -> None:
    place = Path("Snakefile")
    warning = Finding("warning", place, 3, "it may not", "something else")
    refuse([warning], builders.selection())
    with pytest.raises(SpecificationError) as refused:
        refuse([warning, Finding("error", place, 7, "it does not", "this")], builders.selection())
    assert "Snakefile:7: it does not" in refused.value.message
    assert "may not" not in refused.value.message


def submission() -> Submission:
    return Submission(
        server="https://reana.example.org",
        name="mine-0a1b2c3d",
        inputs="sha256:0",
        images={"columnar": "registry.example.org/columnar@sha256:0"},
        created=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    )


def test_a_submission_is_read_back(tmp_path: Path) -> None:
    assert read_submission(tmp_path) is None
    written = submission().model_copy(update={"phase": "uploaded", "workflow_id": "x"})
    write_submission(written, tmp_path)
    assert read_submission(tmp_path) == written
    assert written.reached("created")
    assert not written.reached("started")


def test_a_damaged_state_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text('{"schema_version": 1, "server": ')
    with pytest.raises(SpecificationError, match="cannot read what was submitted"):
        read_submission(tmp_path)


def test_jobs_are_read_in_the_order_in_which_they_began() -> None:
    logs = {
        "job_logs": {
            "2": {"job_name": "b", "status": "failed", "started_at": "2026-01-01T00:00:02"},
            "3": {"job_name": "c/../x", "status": "created", "started_at": None},
            "1": {"job_name": "a", "status": "finished", "started_at": "2026-01-01T00:00:01"},
        }
    }
    jobs = jobs_of(logs)
    assert [job.name for job in jobs] == ["a", "b", "c/../x"]
    assert jobs[2].log == "logs/c_.._x-3.txt"
    assert failed_job(jobs) == jobs[1]
    assert jobs_of({}) == []


@pytest.mark.parametrize(
    ("kind", "status", "passes"),
    [
        ("connection", 0, True),
        ("http", 429, True),
        ("http", 500, True),
        ("http", 401, False),
        ("http", 404, False),
        ("tls", 0, False),
        ("protocol", 0, False),
    ],
)
def test_only_what_may_pass_is_asked_again(kind: str, status: int, passes: bool) -> None:
    assert RemoteError("asking", kind, status, "no").passes is passes


def test_the_build_tools_come_first_from_the_same_lock() -> None:
    tools = build_lock(LOCK.read_text())
    named = {line.partition("==")[0] for line in tools.splitlines() if "==" in line}
    assert named == set(BUILD_TOOLS)
    assert tools.count("--hash=sha256:") >= len(named)


def test_the_lock_holds_the_client_and_a_hash_of_everything() -> None:
    text = LOCK.read_text()
    assert "reana-client==0.9.6" in text
    assert "snakemake==7.32.4" in text
    for block in text.split("\n\n")[0].split("\n"):
        assert "http" not in block


def test_the_registry_that_is_named_is_asked_for_the_image(
    server: Server, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = catalogue.locked("columnar")
    definition = catalogue.definition("columnar")
    config = layout.config_of(definition, image.layers)
    host = f"127.0.0.1:{server.server_port}"
    page = f"/v2/hep/columnar/manifests/{image.manifest}"
    server.pages[page] = layout.manifest_of(config, image.layers)
    found = image_references([image], catalogue, {}, f"{host}/hep/")
    assert found == {"columnar": f"{host}/hep/columnar@{image.manifest}"}
    assert page in server.asked

    def gone(*_: object) -> None:
        raise InputsGoneError("it does not have it")

    monkeypatch.setattr(Registry, "manifest", gone)
    with pytest.raises(InputsGoneError) as refused:
        image_references([image], catalogue, {}, f"{host}/hep")
    assert refused.value.hint == f"reprun images push columnar {host}/hep/columnar"

"""Conditions inside the container: where configurations expect them, read-only, locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reprun.digests import sha256_file
from tests.conditions_support import OLD_TAG, old_index
from tests.integration.shell import ROOT, Shell
from tests.loopback import serving
from tests.real_data import shared_data

REPOSITORY = "/cvmfs/cms-opendata-conddb.cern.ch"
CORRECTION = {
    "schema_version": 2,
    "corrections": [
        {
            "name": "muon",
            "version": 1,
            "inputs": [{"name": "pt", "type": "real"}],
            "output": {"name": "weight", "type": "real"},
            "data": {
                "nodetype": "binning",
                "input": "pt",
                "edges": [0.0, 20.0, 100.0],
                "content": [0.9, 0.97],
                "flow": "clamp",
            },
        }
    ],
}
PROGRAM = f"""
import csv, sqlite3, sys
import correctionlib

muon = correctionlib.CorrectionSet.from_file("/conditions/muon/sf.json")["muon"]
rows = csv.DictReader(open("/conditions/atlas/table.csv"))
table = {{row["dataset_number"]: row for row in rows}}
# As CMSSW does: the path of its configurations, no option, no copy.
database = sqlite3.connect("{REPOSITORY}/{OLD_TAG}.db")
(tags,) = database.execute("SELECT count(*) FROM TAGINVENTORY_TABLE").fetchone()
try:
    open("{REPOSITORY}/new", "w")
except OSError as error:
    refused = error.errno
with open(sys.argv[1], "w") as out:
    print("name,value", file=out)
    print("low,%r" % muon.evaluate(10.0), file=out)
    print("high,%r" % muon.evaluate(50.0), file=out)
    print("tags,%d" % tags, file=out)
    print("refused,%d" % refused, file=out)
    print("sigma,%s" % table["301204"]["crossSection_pb"], file=out)
"""


def snapshot(shell: Shell, name: str, kind: str, mount: str, more: str, **files: Path) -> None:
    text = (
        f'schema_version = 1\nname = "{name}"\nkind = "{kind}"\ntitle = "{name}"\n'
        f'mount = "{mount}"\n{more}'
    )
    for keyword, source in files.items():
        path = keyword.replace("__", ".")
        target = shell.directory / "conditions" / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        text += (
            f'[[files]]\npath = "{path}"\nsize = {target.stat().st_size}\n'
            f'sha256 = "{sha256_file(target)}"\n'
        )
    shell.write(f"conditions/{name}/snapshot.toml", text)


@pytest.fixture
def analysis(shell: Shell) -> Shell:
    """An analysis that needs a correction, an index database and a table."""
    home = shell.directory / "demo"
    home.mkdir()
    shell = Shell(home, shell.store, {"REPRUN_PROJECT": str(ROOT)})
    sf = shell.write("files/sf.json", json.dumps(CORRECTION))
    index = old_index(shell.directory / "files" / "old.db")
    snapshot(shell, "muon", "correctionlib", "/conditions/muon", "", sf__json=sf)
    tag = f'global_tag = "{OLD_TAG}::All"\n'
    files = {f"{OLD_TAG}__db": index}
    snapshot(shell, "conddb", "sqlite-snapshot", REPOSITORY, tag, **files)
    table = shared_data() / "atlas-metadata" / "metadata.csv"
    key = 'key = "dataset_number"\n'
    snapshot(shell, "atlas", "table", "/conditions/atlas", key, table__csv=table)
    shell.write("code/program.py", PROGRAM)
    shell.write(
        "Snakefile",
        """
        rule all:
            input: "results/values.csv"
        rule one:
            input: "code/program.py"
            output: "results/values.csv"
            container: config["image"]
            shell: "python3 {input} {output}"
        """,
    )
    shell.write(
        "analysis.yaml",
        """
        schema_version: 1
        name: demo
        title: Conditions
        experiment: CMS
        dphep_level: "3"
        variants: {columnar: {image: columnar}}
        conditions: [muon, conddb, atlas]
        outputs: {tables: [results/values.csv]}
        compare: [{match: "*", kind: count}]
        """,
    )
    return shell


def values(shell: Shell) -> dict[str, str]:
    text = (shell.directory / "results/demo/columnar/workspace/results/values.csv").read_text()
    return dict(line.split(",") for line in text.splitlines()[1:])


def test_conditions_reach_the_program_where_it_expects_them(analysis: Shell) -> None:
    analysis.reprun("lock", ".")
    analysis.reprun("run", ".", "--engine", "runc", code=5)  # there is no reference yet
    assert values(analysis) == {
        "low": "0.9",
        "high": "0.97",
        "tags": "2",
        "refused": "30",
        "sigma": "0.001762",
    }
    record = json.loads((analysis.directory / "results/demo/columnar/record.json").read_text())
    assert record["hermetic"] is True
    assert set(record["inputs"]["conditions"]) == {"muon", "conddb", "atlas"}
    analysis.reprun("bless", ".", "--reason", "by hand", "--author", "the tests")
    done = analysis.reprun("run", ".", "--engine", "runc")
    assert "nothing changed" in done.stdout + done.stderr


def test_a_changed_row_is_refused_then_reported_as_metadata(analysis: Shell) -> None:
    analysis.reprun("lock", ".")
    analysis.reprun("run", ".", "--engine", "runc", code=5)
    analysis.reprun("bless", ".", "--reason", "by hand", "--author", "the tests")
    table = analysis.directory / "conditions/atlas/table.csv"
    before = sha256_file(table)
    changed = table.read_text().replace("e3723,0.001762,", "e3723,0.0018,", 1)
    table.write_text(changed)
    refused = analysis.reprun("conditions", "verify", "conditions/atlas", code=6)
    assert "table.csv has changed" in refused.stderr
    document = analysis.directory / "conditions/atlas/snapshot.toml"
    text = document.read_text().replace(before[7:], sha256_file(table)[7:])
    size = f"size = {table.stat().st_size}"
    document.write_text("\n".join(size if "size" in row else row for row in text.splitlines()))
    done = analysis.reprun("run", ".", "--engine", "runc", code=6)
    assert f"metadata atlas: table.csv changed ({before[7:19]} → " in done.stderr
    row = "metadata: row 301204: crossSection_pb 0.001762 → 0.0018"
    assert row in done.stderr
    done = analysis.reprun("run", ".", "--engine", "runc", "--update-lock", code=1)
    assert "lock updated: metadata atlas" in done.stdout
    cause = done.stdout[done.stdout.index("cause:") :]
    assert row in " ".join(cause.split())
    assert values(analysis)["sigma"] == "0.0018"


@contextmanager
def servlet() -> Iterator[str]:
    """A server on the loopback that answers like one for live conditions."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"name,value\nlive,1\n")

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


def test_live_conditions_need_a_word_and_are_recorded(analysis: Shell) -> None:
    with servlet() as url:
        snapshot(analysis, "live", "frontier", "/conditions/live", f'servlet = "{url}"\n')
        document = analysis.directory / "analysis.yaml"
        document.write_text(document.read_text().replace("[muon, conddb, atlas]", "[live]"))
        analysis.write(
            "code/program.py",
            f"""
            import sys, urllib.request
            answer = urllib.request.urlopen("{url}").read().decode()
            open(sys.argv[1], "w").write(answer)
            """,
        )
        analysis.reprun("lock", ".")
        refused = analysis.reprun("run", ".", "--engine", "runc", code=2)
        assert "nothing of it is locked" in refused.stderr
        assert "reprun run . --allow-network" in refused.stderr
        allowed = analysis.reprun("run", ".", "--engine", "runc", "--allow-network", code=5)
        assert "not hermetic" in allowed.stderr
    assert values(analysis) == {"live": "1"}
    record = json.loads((analysis.directory / "results/demo/columnar/record.json").read_text())
    assert record["hermetic"] is False

"""Every command answers in one way: text that fits, or one envelope whose keys are frozen."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import yaml
from rich.cells import cell_len
from typer.main import get_command

from reprun import __version__
from reprun.cli import main as cli
from reprun.cli.output import Kind, answer, envelope, print_text
from reprun.compare.calibrate import Calibration
from reprun.digests import sha256_bytes
from reprun.engines.base import ContainerResult, Ending, EngineStatus
from reprun.errors import EngineError
from reprun.flaky.variations import BY_NAME
from reprun.history.database import looked_into
from reprun.history.importing import Imported
from reprun.history.rows import cells as cells_of
from reprun.history.rows import nights as nights_of
from reprun.reana.local.report import ProjectReport
from reprun.reana.remote.submission import Submission
from reprun.report.grid import Column, Grid, indented, plain_text, styled
from reprun.report.matrix import MatrixReport, matrix_renderable
from reprun.report.text import renderable
from reprun.runs import last_steps
from reprun.runs.all_references import Fetched
from reprun.runs.blessing import Blessed
from reprun.runs.lock import Difference
from reprun.runs.reference_check import Checked
from reprun.runs.reference_log import Log
from reprun.runs.run import RunOutcome
from reprun.workflow.rerun import OUT_OF_DATE
from tests.blame_support import sample_bisection, sample_blame
from tests.flaky_support import measured
from tests.history_support import GOOD, Nights
from tests.images_support import Kitchen, tiny
from tests.projects import mark_project
from tests.sample_report import sample
from tests.unit import builders
from tests.unit.builders import cell, matrix

ROOT = Path(__file__).resolve().parents[2]
HEAD = ("schema_version", "kind", "reprun")
NASTY = "x\x1b[2J\x9b1A\u202eb\x07"
DATA = b"right bytes\n"

REPORT = (
    *(
        "generator",
        "analysis",
        "status",
        "sentence",
        "hint",
        "reference",
        "sides",
        "counts",
        "causes",
        "first_drift",
    ),
    *(
        "items",
        "ignored",
        "left_out",
        "notes",
        "tables",
        "plots",
        "steps",
        "provenance",
        "citations",
    ),
)
IMAGE = (
    *("name", "title", "rebuildable", "image", "manifest", "reference", "size", "layers", "tree"),
    "parent",
)
# A new key may come here; one that goes, or means something else, is a new schema version.
KEYS: Mapping[str, Sequence[str]] = {
    "analysis": (
        *("name", "title", "experiment", "dphep_level", "description", "snakefile", "parameters"),
        *("citations", "conditions", "code", "variants", "default_variant", "datasets"),
        *("default_dataset", "outputs", "compare", "reference", "references", "seeds"),
        *("map",),
        *("directory", "verdicts"),
    ),
    "analysis-list": ("analyses",),
    "badge": ("label", "message", "banner", "cells", "file"),
    "bisection": (
        *("sentence", "first_bad", "about", "last_good", "not_known", "contradiction"),
        *("candidates", "runs"),
    ),
    "blame": (
        *("analysis", "variant", "dataset", "tier", "good", "bad", "conclusion", "sentence"),
        *("causes", "changes", "runs", "notes"),
    ),
    "blessing": ("analysis", "reference", "preview", "next"),
    "blessing-list": ("analyses",),
    "calibration": ("toys", "false_alarms", "alpha", "objects", "left_out"),
    "citation-list": (
        *("analysis", "variant", "images", "data", "software", "no_citation_known"),
        *("acknowledgements", "disclaimer"),
    ),
    "comparison": REPORT,
    "conditions": ("snapshot", "holds"),
    "conditions-answer": ("snapshot", "found"),
    "conditions-differences": ("before", "now", "differences"),
    "conditions-list": ("snapshots",),
    "conditions-mask": ("snapshot", "events", "before", "after", "luminosity_per_pb"),
    "conditions-verification": ("snapshots",),
    "data-collection": ("dry_run", "removed", "size", "kept", "forgotten", "leftovers"),
    "data-fetch": ("dataset", "files", "of", "on_tape", "size", "pinned"),
    "data-list": ("datasets",),
    "data-verification": ("checked", "size", "corrupt", "absent"),
    "error": ("message", "place", "hint", "exit_code"),
    "finding-list": ("analysis", "findings"),
    "glossary": ("words",),
    "history": ("file", "cells"),
    "history-import": ("file", "source", "new", "known"),
    "history-prune": ("file", "dry_run", "removed"),
    "host": ("works", "engines", "store", "image", "findings"),
    "image": (
        *(*IMAGE, "reason", "debs", "wheels", "environment"),
        *("repository", "entry_point", "user", "conditions", "external_because"),
    ),
    "image-action": (
        *("action", "name", "image", "manifest", "reference", "size", "place", "parent"),
    ),
    "image-check": ("images",),
    "image-differences": ("before", "after", "changes"),
    "image-fetch": ("name", "files", "new", "size"),
    "image-list": ("images",),
    "image-prune": ("dry_run", "paths", "removed", "size"),
    "image-table": ("images", "written"),
    "lock": ("analysis", "path", "changes"),
    "lock-list": ("analyses",),
    "manifest": ("path", "availability", "manifest"),
    "matrix": ("generator", "started", "wall_seconds", "sentence", "cells"),
    "new-analysis": ("directory", "files", "source", "drawn", "left_out", "copied"),
    "pipeline": ("repository", "file", "dry_run", "text", "include", "next"),
    "plan": (
        *("analysis", "variant", "dataset", "tier", "snakefile", "images", "outputs", "steps"),
    ),
    "project": ("directory", "files", "example", "next"),
    "project-report": (
        *("project", "specification", "workflow", "status", "sentence", "deviations", "notes"),
        *("tests_read_by", "outputs", "scenarios", "steps", "started", "finished"),
    ),
    "reana-export": ("directory", "files", "images", "changes"),
    "reana-list": ("workflows",),
    "reana-logs": ("name", "server", "steps", "engine"),
    "reana-status": ("name", "server", "status", "steps"),
    "reana-stop": ("name", "server", "status"),
    "run-differences": ("runs", "factors", "objects"),
    "reference-fetch": ("analysis", "references"),
    "reference-log": ("analysis", "reference", "entries", "notes"),
    "reference-verification": ("references",),
    "reference-verification-list": ("analyses",),
    "run-list": ("analyses",),
    "run-report": REPORT,
    "run-logs": ("analysis", "variant", "dataset", "steps"),
    "sbom": ("name", "sbom"),
    "storage": ("dry_run", "holdings", "removed", "size"),
    "variation-list": ("engine", "variations"),
    "variations": (
        *("analysis", "variant", "dataset", "status", "engine", "runs", "objects", "unknown"),
        *("variations", "findings", "notes"),
    ),
    "step-command": ("step", "image", "command", "ending", "command_exit_code", "output"),
    "submission": (
        *("server", "name", "workflow_id", "workflow_name", "phase", "status", "inputs", "images"),
        *("uploaded", "rules", "changes", "created", "server_version"),
    ),
}

SEVERAL = ("analysis", "exit_code", "message", "place", "hint", "result")
# The keys of the entries of the list that an answer has under a key.
NESTED: Mapping[tuple[str, str], Sequence[str]] = {
    ("analysis-list", "analyses"): (
        *("name", "title", "experiment", "level", "variants", "datasets", "verdict"),
        *("verdicts",),
    ),
    ("badge", "cells"): ("analysis", "variant", "state", "on", "stale", "why"),
    ("bisection", "runs"): ("candidate", "answer", "sentence"),
    ("blame", "causes"): ("factors", "first_step", "first_output"),
    ("blame", "changes"): (
        *("kind", "name", "before", "now", "said", "details", "unknown", "put_back", "side"),
        *("why",),
    ),
    ("blame", "runs"): (
        *("run", "as_in_the_bad_run", "state", "outcome", "sentence", "step_seconds"),
        *("contents",),
    ),
    ("conditions-list", "snapshots"): (
        *("name", "kind", "title", "global_tag", "mount", "licence", "digest"),
        *("files", "here", "hermetic"),
    ),
    ("conditions-verification", "snapshots"): ("name", "files", "locked"),
    ("data-list", "datasets"): (
        *("analysis", "dataset", "title", "experiment", "dphep_level", "data_tier", "record"),
        *("doi", "licence", "files", "here", "pinned", "size", "events", "part"),
        *("differ_from_portal",),
    ),
    ("variation-list", "variations"): ("name", "what", "how", "not_varied"),
    ("variations", "variations"): ("name", "state", "why", "objects"),
    ("variations", "findings"): (
        *("object", "variation", "place", "first", "now", "step", "outputs", "settled_by"),
        *("sentence",),
    ),
    ("history", "cells"): (
        *("analysis", "variant", "dataset", "tier", "state", "sentence", "first_bad", "last_good"),
        *("flaky", "objects", "steps", "runs"),
    ),
    ("run-differences", "runs"): (
        *("run", "identity", "at", "analysis", "variant", "dataset", "tier", "verdict", "state"),
    ),
    ("run-differences", "factors"): (
        *("kind", "name", "same", "before", "now", "before_shown", "now_shown", "details"),
        *("unknown",),
    ),
    ("run-differences", "objects"): (
        *("name", "same", "before", "now", "before_deviation", "now_deviation"),
    ),
    ("glossary", "words"): ("word", "meaning", "group", "passes"),
    ("image", "layers"): ("digest", "size", "comment"),
    ("image-check", "images"): ("name", "outcome", "detail"),
    ("image-list", "images"): (
        *("name", "title", "rebuildable", "image", "manifest", "reference", "size"),
        *("layers", "tree", "reason", "parent"),
    ),
    ("lock", "changes"): ("part", "name", "before", "now", "rows", "packages"),
    ("blessing-list", "analyses"): SEVERAL,
    ("lock-list", "analyses"): SEVERAL,
    ("reference-fetch", "references"): ("directory", "files", "size"),
    ("reference-log", "entries"): (
        *("line", "number", "previous", "reference", "blessing", "author", "reason", "date"),
        *("variant", "dataset", "only", "compared", "run", "found", "digest"),
    ),
    ("reference-verification", "references"): (
        *("directory", "lines", "files", "number", "reference"),
    ),
    ("reference-verification-list", "analyses"): SEVERAL,
    ("run-list", "analyses"): SEVERAL,
    ("matrix", "cells"): (
        *("analysis", "title", "variant", "image", "dataset", "state", "sentence"),
        *("allowed", "finished", "log"),
        *("hint", "exit_code", "ran", "step_seconds", "report", "red"),
    ),
    ("reana-list", "workflows"): ("name", "status", "created", "id"),
    ("run-logs", "steps"): ("name", "rule", "wildcards", "status", "log", "left_out_bytes"),
    ("reana-logs", "steps"): ("name", "status", "log"),
    ("run-report", "items"): (
        *("name", "title", "class_name", "verdict", "passes", "sentence", "kind"),
        *("rule", "monitored_hash", "reference_hash", "axes", "bins", "differing", "beyond"),
        *("max_ulp", "max_relative", "max_pull", "worst", "integrals", "factor"),
        *("differences", "renamed_from", "migrated", "checks", "needed", "notes"),
        *("panels", "table"),
    ),
    ("storage", "holdings"): ("what", "place", "count", "size", "command"),
}

# What each command is called with, and the kind of its answer. {here} is a directory with a file
# for each command that wants one.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("demo", "run-report"),
    "logs": ("demo", "run-logs"),
    "shell --format json": ("demo -- true", "step-command"),
    "matrix": ("", "matrix"),
    "compare": ("{here}/t.csv {here}/t.csv", "comparison"),
    "compare --calibrate 20": ("{here}/t.csv {here}/t.csv", "calibration"),
    "history show": ("", "history"),
    "history import": ("{here}/t.csv", "history-import"),
    "history prune": ("--keep-nights 1", "history-prune"),
    "diff": ("aaaa bbbb", "run-differences"),
    "badge": ("demo", "badge"),
    "blame": ("demo", "blame"),
    "bisect": ("demo --good tiny --bad tiny", "bisection"),
    "flaky": ("demo", "variations"),
    "flaky --list": ("demo", "variation-list"),
    "explain": ("pull", "glossary"),
    "list": ("", "analysis-list"),
    "show": ("demo", "analysis"),
    "lock": ("demo", "lock"),
    "lock --format json": ("demo *", "lock-list"),
    "run --update-lock": ("d*", "run-list"),
    "bless --reason right": ("*", "blessing-list"),
    "bless": ("demo --reason right", "blessing"),
    "init": ("{here}/fresh", "project"),
    "ci init": ("github --force", "pipeline"),
    "new": ("two --from {here}/events.csv --directory {here}/made", "new-analysis"),
    "plan": ("demo", "plan"),
    "lint": ("demo", "finding-list"),
    "cite": ("demo", "citation-list"),
    "submit": ("demo", "submission"),
    "clean": ("", "storage"),
    "doctor": ("--image tiny", "host"),
    "reana export": ("demo --directory {here}/project", "reana-export"),
    "reana status": ("demo", "reana-status"),
    "reana logs": ("demo", "reana-logs"),
    "reana stop": ("demo", "reana-stop"),
    "reana fetch": ("demo", "run-report"),
    "reana list": ("", "reana-list"),
    "reference fetch": ("demo", "reference-fetch"),
    "reference log": ("demo", "reference-log"),
    "reference verify": ("demo", "reference-verification"),
    "reference verify --format json": ("demo *", "reference-verification-list"),
    "data list": ("", "data-list"),
    "data fetch": ("demo", "data-fetch"),
    "data verify": ("", "data-verification"),
    "data add": ("demo more {here}/t.csv --title t", "manifest"),
    "data import-record": ("{here}/record.json", "manifest"),
    "data gc": ("", "data-collection"),
    "conditions list": ("", "conditions-list"),
    "conditions show": ("rows", "conditions"),
    "conditions get": ("rows --row 1", "conditions-answer"),
    "conditions diff": ("rows rows", "conditions-differences"),
    "conditions verify": ("", "conditions-verification"),
    "conditions mask": ("rows {here}/t.csv", "conditions-mask"),
    "images list": ("", "image-list"),
    "images show": ("tiny", "image"),
    "images diff": ("tiny tiny", "image-differences"),
    "images sbom": ("tiny", "sbom"),
    "images table": ("", "image-table"),
    "images lock": ("tiny --image-only", "image-action"),
    "images fetch": ("tiny", "image-fetch"),
    "images build": ("tiny", "image-action"),
    "images verify": ("tiny", "image-action"),
    "images check": ("tiny", "image-check"),
    "images load": ("tiny", "image-action"),
    "images export": ("tiny {here}/out.tar", "image-action"),
    "images import": ("tiny {here}/in.tar", "image-action"),
    "images push": ("tiny 127.0.0.1:1/x", "image-action"),
    "images pull": ("tiny", "image-action"),
    "images pin": ("tiny", "image-action"),
    "images sign": ("tiny --key {here}/t.csv --signature {here}/s", "image-action"),
    "images prune": ("", "image-prune"),
}


@contextmanager
def connected(*_: object) -> Iterator[Any]:
    """Yield a client of a server that has one workflow."""
    logs = {"job_logs": {"1": {"job_name": "make", "status": "finished", "logs": NASTY}}}
    yield SimpleNamespace(
        status=lambda _: {"status": "running"},
        logs=lambda _: {**logs, "workflow_logs": "a\tb\r\n"},
        stop=lambda _: None,
        workflows=lambda: [{"name": NASTY, "status": "running", "created": "today", "id": "1"}],
    )


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    made = tiny(tmp_path)
    made.locked()
    return made


@pytest.fixture
def project(kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one of everything; what needs an engine or a server is played."""
    analysis = tmp_path / "examples" / "demo"
    (analysis / "data").mkdir(parents=True)
    document = builders.analysis().model_dump(mode="json", exclude_defaults=True)
    document |= {"schema_version": 1, "datasets": {"small": "small.yaml"}}
    document["variants"] = {"tiny": {"image": "tiny"}}
    (analysis / "analysis.yaml").write_text(yaml.safe_dump(document))
    (analysis / "data" / "a.csv").write_bytes(DATA)
    file = {"path": "data/a.csv", "size": len(DATA), "sha256": sha256_bytes(DATA)}
    (analysis / "small.yaml").write_text(yaml.safe_dump({"title": NASTY, "files": [file]}))
    rows = b"dsid,crossSection_pb,kFactor,genFiltEff,sumOfWeights\n1,2.0,1.0,1.0,10\n"
    snapshot = tmp_path / "conditions" / "rows"
    snapshot.mkdir(parents=True)
    (snapshot / "payload").write_bytes(rows)
    (snapshot / "snapshot.toml").write_text(
        'schema_version = 1\nname = "rows"\nkind = "table"\ntitle = "rows"\nkey = "dsid"\n'
        'mount = "/conditions/rows"\n[[files]]\npath = "payload"\n'
        f'size = {len(rows)}\nsha256 = "{sha256_bytes(rows)}"\n'
    )
    (tmp_path / "t.csv").write_text("bin,value\na,1\n")
    (tmp_path / "events.csv").write_text("mass\n" + "".join(f"{n}.5\n" for n in range(20)))
    shutil.copy(ROOT / "tests" / "data" / "root_answers.json", tmp_path / "in.tar")
    record = {"uri": "https://x/a", "size": 1, "checksum": "adler32:00000001"}
    (tmp_path / "record.json").write_text(
        json.dumps({"recid": "7", "title": "t", "files": [record]})
    )
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path, packaged_images=True)))
    monkeypatch.setenv("REPRUN_STORE", str(kitchen.store.root))
    monkeypatch.setenv("REPRUN_DEBIAN_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("REANA_SERVER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("REANA_ACCESS_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)
    play(monkeypatch, kitchen, tmp_path)
    nights = Nights(tmp_path / "results")
    nights.add(0, {**GOOD, NASTY: "e" * 64}, parameters={NASTY: 1})
    nights.add(1, {**GOOD, NASTY: "f" * 64}, bad=[NASTY], parameters={NASTY: NASTY})
    nights.add(2, state="failed", sentence=NASTY)
    with looked_into(nights.path) as database:
        assert database is not None
        first, second, _ = nights_of(database, cells_of(database)[0])
    called_so = {"aaaa": first, "bbbb": second}
    monkeypatch.setattr("reprun.history.rows.run_called", lambda _, name: called_so[name])
    return tmp_path


def play(monkeypatch: pytest.MonkeyPatch, kitchen: Kitchen, project: Path) -> None:
    """Put answers in the place of engines, servers and registries."""
    outcome = RunOutcome(sample(), builders.record(), Path(), OUT_OF_DATE, (), NASTY)
    image = kitchen.catalogue_as_it_is().locked("tiny")
    submission = Submission(
        server="http://127.0.0.1:1", name="n", inputs="i", images={}, created=builders.NOON
    )
    planned = SimpleNamespace(
        cell=SimpleNamespace(
            selection=builders.selection(),
            plan=SimpleNamespace(targets=()),
            images={},
            workspace=Path("w"),
            inputs=Path("i"),
            run_directory=Path("r"),
        ),
        steps=(),
    )
    exported = SimpleNamespace(directory=Path("p"), files=(), images={}, changes=())
    calibration = Calibration(20, 0.0, 0.01, (), ())
    log = Log(Path("log.jsonl"), {})
    log = log.with_entry(
        log.next("sha256:" + "1" * 64, about=builders.blessing(author=NASTY), blessing=None)
    )

    blame = sample_blame(project / "elsewhere", NASTY)
    attribution = SimpleNamespace(most_runs=4, blame=lambda: blame)

    def fail(*_: object) -> None:
        raise EngineError("not installed", hint="apt-get install it")

    for name, answered in {
        "runs.run.run": outcome,
        "runs.last_steps.last_record": builders.record(),
        "runs.last_steps.log_of": last_steps.Log(NASTY, Path(NASTY), 1),
        "runs.shell.run_in_step": (
            builders.step(),
            ContainerResult(Ending.EXITED, 0, 0.1, None, None),
        ),
        "history.importing.import_history": Imported(1, 0),
        "blame.case.two_nights": (blame.case.cell, blame.case.good, blame.case.bad),
        "blame.case.case_of": blame.case,
        "blame.attribution.Attribution": attribution,
        "blame.candidates.images_between": ["tiny", "tiny"],
        "blame.candidates.bisect": sample_bisection(NASTY),
        "runs.matrix.run_matrix": matrix(cell("reproduced")),
        "runs.calibrate_files.calibrate_files": calibration,
        "flaky.measure.measure": measured(NASTY),
        "flaky.measure.plan": (EngineStatus("runc", NASTY), dict.fromkeys(BY_NAME, NASTY)),
        "runs.lock.renew_lock": (builders.lock(), [Difference("code", "x", None, "1" * 64)]),
        "runs.lock.write_lock": None,
        "runs.blessing.bless_last_run": Blessed(("histograms.json",), None),
        "runs.all_references.fetch_references": [Fetched(NASTY, {"h.json": "sha256:1"}, 1)],
        "runs.reference_check.log_and_notes": (log, [NASTY]),
        "runs.reference_check.check_references": [Checked("reference", log.entries[1], 1, 1)],
        "runs.planning.plan_analysis": planned,
        "authoring.lint.lint_analysis": [],
        "reana.remote.submit.submit": submission,
        "reana.remote.submit.remote_cell": planned.cell,
        "reana.remote.submit.submission_of": submission,
        "reana.remote.submit.prepare_export": (exported, None),
        "reana.remote.submit.finish": outcome,
        "conditions.answers.mask_of": None,
        "conditions.lumi.count_table": SimpleNamespace(before=3, after=1),
        "images.audit.audit": SimpleNamespace(name="tiny", outcome="same", detail="d"),
        "images.audit.exit_code": 0,
        "images.transfer.push": "127.0.0.1:1/x@sha256:1",
        "images.transfer.pull": image,
        "images.transfer.import_file": image,
        "images.transfer.pin": SimpleNamespace(image_id="i", source="s", manifest=None),
        "images.sign.sign": None,
    }.items():
        monkeypatch.setattr(f"reprun.{name}", lambda *_, _answered=answered, **__: _answered)
    monkeypatch.setattr("reprun.reana.remote.submit.connected", connected)
    monkeypatch.setattr("reprun.engines.choose.make_engine", fail)
    docker = SimpleNamespace(prepare=lambda _: None, close=lambda: None)
    monkeypatch.setattr("reprun.engines.docker.DockerEngine", lambda _: docker)


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the program in this process; return its exit code, stdout and stderr."""
    sys.argv = ["reprun", *arguments]
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(autouse=True)
def own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reprun"])


# -- JSON -----------------------------------------------------------------------------------------


def commands(group: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command of the program by its name."""
    found = get_command(cli.program()) if group is None else group
    for each, command in getattr(found, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name}{each} ")
        else:
            yield f"{name}{each}", command


def test_every_command_answers_in_json_and_is_tried_here() -> None:
    with_json = {
        name
        for name, command in commands()
        for option in command.params
        if option.name == "output_format" and "json" in str(option.type_descriptor.annotation)
    }
    assert with_json == {name for name, _ in commands()}
    assert {name.partition(" --")[0] for name in COMMANDS} == with_json


def test_every_kind_has_frozen_keys_and_is_tried_here() -> None:
    assert set(KEYS) == set(get_args(Kind))
    tried = {kind for _, kind in COMMANDS.values()}
    assert tried | {"error", "project-report"} == set(KEYS)


def test_the_keys_of_every_answer(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = set()
    for command, (rest, kind) in COMMANDS.items():
        monkeypatch.setenv("REANA_ACCESS_TOKEN", "secret")
        words = [*command.split(), *rest.format(here=project).split()]
        code, out, err = called(capsys, *words, "--format", "json")
        assert "Traceback" not in err
        document = json.loads(out)
        assert document["kind"] == kind, (command, document)
        assert set(document) == {*HEAD, *KEYS[kind]}, command
        for (of, key), frozen in NESTED.items():
            if of == kind and document[key]:
                assert {*document[key][0]} == {*frozen}, (command, key)
                tried.add((of, key))
        assert list(document)[:3] == list(HEAD)
        assert (document["schema_version"], document["reprun"]) == (1, __version__)
        assert code in (0, 1, 3), command
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out)
    assert tried == set(NESTED)


@pytest.mark.slow
def test_no_text_controls_a_terminal(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        "list",
        "show demo",
        "data list",
        "reana list",
        "reana logs demo",
        "logs demo",
        "history demo",
        "history",
        "diff aaaa bbbb",
        "blame demo",
        "bisect demo --good tiny --bad tiny",
        "run demo",
        "flaky demo",
        "flaky demo --list",
    ):
        monkeypatch.setenv("REANA_ACCESS_TOKEN", "secret")
        _, out, err = called(capsys, *command.split())
        assert out, err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out + err)
        assert not [line for line in out.split("\n") if line != line.rstrip()], command
    monkeypatch.setenv("REANA_ACCESS_TOKEN", "secret")
    _, out, _ = called(capsys, "reana", "logs", "demo")
    assert "x\\x1b[2J\\x9b1A\\u202eb\\x07\n" in out
    assert "a       b\n" in out


def test_many_runs_are_started_only_when_asked_for(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blame = sample_blame(project / "more", "make.py")
    attribution = SimpleNamespace(most_runs=40, blame=lambda: blame)
    monkeypatch.setattr("reprun.blame.attribution.Attribution", lambda *_: attribution)
    code, _, err = called(capsys, "blame", "demo")
    assert code == 2
    assert "more than 20 runs may be needed: 2 changes that can be put back, at most 40" in err
    assert re.search(r"try: reprun blame demo --good \w+ --bad \w+ --yes\n", err)
    code, out, _ = called(capsys, "blame", "demo", "--yes")
    assert code == 0
    assert "image columnar (numpy 2.4.6 → 2.3.5) alone makes the difference" in out
    assert not list((project / "results").glob("*/project"))


def test_the_report_of_a_project() -> None:
    report = ProjectReport(
        project="p",
        specification="reana.yaml",
        workflow="serial",
        status="passed",
        sentence="s",
        deviations=(),
        notes=(),
        tests_read_by="us",
        outputs=(),
        scenarios=(),
        steps=(),
        started=builders.NOON,
        finished=builders.NOON,
    )
    document = json.loads(envelope("project-report", report))
    assert set(document) == {*HEAD, *KEYS["project-report"]}
    assert document["kind"] == "project-report"


def test_numbers_that_json_does_not_know_are_strings() -> None:
    document = json.loads(envelope("plan", {"a": [float("nan"), float("-inf")], "b": Path("x")}))
    assert (document["a"], document["b"]) == (["NaN", "-Infinity"], "x")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "dema", "--format", "json"], 2),
        (["compare", "/nowhere.csv", "/nowhere.csv", "--format=json"], 4),
        (["run", "demo", "--cores", "0", "--format", "json"], 2),
        (["lint", "demo", "--no-such-option", "--format", "json"], 2),
    ],
)
def test_an_error_in_json(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    ended, out, err = called(capsys, *arguments)
    document = json.loads(out)
    assert set(document) == {*HEAD, *KEYS["error"]}
    assert (ended, document["exit_code"], document["kind"]) == (code, code, "error")
    assert document["message"] in err
    assert document["hint"] is None or document["hint"] in err
    assert called(capsys, *[a for a in arguments if "json" not in a and a != "--format"])[1] == ""


def test_an_answer_with_an_error_behind_it_is_one_document(
    project: Path, kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    blob = kitchen.store.blob_path(kitchen.store.add_bytes(DATA))
    kitchen.store.note_origin(sha256_bytes(DATA), "https://x/data")
    blob.chmod(0o644)
    blob.write_bytes(b"wrong bytes\n")
    code, out, err = called(capsys, "data", "verify", "--format", "json")
    document = json.loads(out)
    assert (code, document["kind"], len(document["corrupt"])) == (6, "data-verification", 1)
    assert "reprun: 1 of " in err


# -- text -----------------------------------------------------------------------------------------

WORDS = "four leptons with open data of 2011 and 2012, through a-rather-long-name"


def grid() -> Grid:
    columns = (
        Column("name"),
        Column("title", prose=True),
        Column("level", spare=True),
        Column("verdict", plain=True),
    )
    rows = [
        ("an-analysis-of-some-name", WORDS, "2-3", "one not run here\nanother  not run here"),
        (NASTY, "short", "4", "failed"),
    ]
    return Grid(columns, rows)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_words_stay_whole_at_every_width(width: int) -> None:
    text = plain_text(grid(), width)
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert all(word in text for word in (*WORDS.split(), "an-analysis-of-some-name"))
    assert "x\\x1b[2J\\x9b1A\\u202eb\\x07" in text
    assert not [line for line in text.split("\n") if line != line.rstrip()]
    assert ("name: " in text or "title: " in text) == (width == 60)
    assert ("level" in text) == (width != 80)


def test_a_path_is_not_broken_and_a_paragraph_is_indented() -> None:
    path = "a/" * 60
    assert plain_text(indented(f"see {path}", " • "), 60) == f" • see\n   {path}\n"
    assert plain_text(styled(path, wrap=False), 60) == f"{path}\n"


LONG = "an-analysis-whose-name-is-as-long-as-a-name-of-an-analysis-is-ok"


@pytest.mark.slow
def test_no_answer_breaks_words_or_ends_lines_with_blanks(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengthen(project)
    lost = set()
    for command, (rest, _) in COMMANDS.items():
        if "--format" in command or "{here}" in rest:  # those write files, once
            continue
        words = [*command.split(), *rest.replace("demo", LONG).replace("d*", "an*").split()]
        shown = {}
        for width in (200, 80, 60):
            monkeypatch.setenv("REANA_ACCESS_TOKEN", "secret")
            monkeypatch.setenv("COLUMNS", str(width))
            code, out, err = called(capsys, *words)
            assert code in (0, 1, 3), (command, err)
            lines = out.split("\n")
            assert not [line for line in lines if line != line.rstrip()], (command, width)
            assert "\n\n\n" not in out, (command, width)
            shown[width] = out
        for width in (80, 60):
            lost |= {(command, width, word) for word in broken(shown[200], shown[width])}
    assert not lost


def broken(wide: str, narrow: str) -> set[str]:
    """Return the words of a text that one for a narrower terminal lacks, but for headings."""
    lines = wide.split("\n")
    headings = {word for above, line in pairwise(lines) if "──" in line for word in above.split()}
    return {*re.sub("─", "", wide).split()} - {*narrow.split()} - headings


def lengthen(project: Path) -> None:
    """Give the analysis of a project the longest of names."""
    place = project / "examples" / LONG
    (project / "examples" / "demo").rename(place)
    document = yaml.safe_load((place / "analysis.yaml").read_text())
    document |= {"name": LONG, "title": WORDS}
    (place / "analysis.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_report_fits(width: int) -> None:
    text = plain_text(renderable(sample(), written=[("report", "results/x.html")]), width)
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert not broken(plain_text(renderable(sample()), 200), text) - {"bin"}
    assert max(map(cell_len, text.split("\n"))) > width - 30
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    ("columns", "width"), [("40", 60), ("75", 75), ("500", 200), ("none", 100), (None, 100)]
)
def test_the_width_of_a_pipe(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str | None,
    width: int,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    print_text([styled("x " * 200)])
    assert capsys.readouterr().out.split("\n")[0] == ("x " * ((width + 1) // 2)).rstrip()


def test_a_matrix_fits() -> None:
    found: MatrixReport = matrix(cell("failed", "a" * 20, hint="reprun run it", sentence=WORDS))
    for width in (60, 80, 200):
        text = plain_text(matrix_renderable(found), width)
        assert "a" * 20 in text
        assert all(word in text for word in WORDS.split())


def test_other_formats_are_made_safe_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    answer("plan", "markdown", {}, [], documents={"markdown": lambda: f"{NASTY}\n"})
    assert capsys.readouterr().out == "x\\x1b[2J\\x9b1A\\u202eb\\x07\n"


# -- help -----------------------------------------------------------------------------------------


def test_no_line_of_the_help_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in commands():
        first = (command.help or "").strip().split("\n")[0]
        assert first.endswith("."), name
        assert len(first) <= 60, f"{name}: {first}"
    for group in ("", "images", "data", "conditions", "reana"):
        for width in (60, 80, 200):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("COLUMNS", str(width))
                _, out, _ = called(capsys, *group.split(), "--help")
            assert all(len(line) <= width for line in out.splitlines())
            assert [
                line for line in out.partition("\n\n")[2].splitlines() if line.endswith("...")
            ] == []

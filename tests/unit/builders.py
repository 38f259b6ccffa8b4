"""Small valid documents for the unit tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from reprun.documents.analysis import Analysis
from reprun.documents.project import Project
from reprun.documents.record import (
    EngineRecord,
    HostRecord,
    ImageRecord,
    Inputs,
    RunRecord,
    StepRecord,
)
from reprun.documents.selection import Selection, choose
from reprun.images.model import Image, Layer
from reprun.report.matrix import CellReport, MatrixReport, matrix_sentence
from reprun.runs.blessed import Blessing
from reprun.runs.lock import AnalysisLock
from reprun.workflow.planned import PlannedStep

SHA = "ab" * 32
GOOD = f"""\
schema_version: 1
name: demo
title: A demonstration
experiment: CMS
dphep_level: "2"
parameters:
  bins: 10
  scale: 1.5
variants:
  columnar:
    image: columnar
  legacy:
    image: legacy
    snakefile: Snakefile.legacy
    parameters: {{bins: 20}}
datasets:
  small:
    title: Small tables
    files:
      - path: data/a.csv
        size: 3
        sha256: {SHA}
  large: data/large.yaml
default_dataset: small
outputs:
  histograms: [results/h.root]
  tables: [results/t.csv]
compare:
  - match: "*"
    kind: float
    relative: 1.0e-12
    reason: sums are rounded
"""
"""An `analysis.yaml` that uses most fields; its second manifest is a file of its own."""
ANALYSIS = """\
schema_version: 1
name: demo
title: A demonstration
experiment: CMS
dphep_level: "2"
parameters: {bins: 10}
variants:
  columnar: {image: columnar}
outputs:
  tables: [a.csv, b.csv]
compare:
  - {match: "*", kind: count}
"""
"""An `analysis.yaml` of two tables and no data."""
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def digest(letter: str) -> str:
    """Return a digest that is easy to tell from others."""
    return f"sha256:{letter * 64}"


def image(name: str = "columnar", letter: str = "1") -> Image:
    """Return an image that lies nowhere."""
    layer = Layer(digest("3"), 10, "packages")
    return Image(name, digest(letter), digest("2"), (layer,), {"PATH": "/usr/bin"})


def analysis(**changes: Any) -> Analysis:
    """Return an analysis with two variants and two datasets."""
    file = {"path": "data/a.csv", "size": 1, "sha256": "a" * 64}
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "demo",
        "title": "A demonstration",
        "experiment": "CMS",
        "dphep_level": "2",
        "parameters": {"bins": 10, "scale": 1.5},
        "variants": {
            "columnar": {"image": "columnar"},
            "legacy": {
                "image": "legacy",
                "snakefile": "Snakefile.legacy",
                "parameters": {"bins": 20},
            },
        },
        "datasets": {
            "small": {"title": "small", "files": [file]},
            "large": {"title": "large", "files": [{**file, "path": "data/b.csv"}]},
        },
        "outputs": {"histograms": ["results/h.json"], "tables": ["results/t.csv"]},
        "compare": [{"match": "*", "kind": "count"}],
    }
    return Analysis.model_validate(document | changes)


def selection(of: Analysis | None = None, **chosen: Any) -> Selection:
    """Return a selection of an analysis that lies nowhere."""
    return choose(of or analysis(), Path("demo"), Project(Path("project")), **chosen)


def lock(**changes: Any) -> AnalysisLock:
    """Return the lock of `analysis()`."""
    document: dict[str, Any] = {
        "analysis": "demo",
        "images": {"columnar": digest("1"), "legacy": digest("5")},
        "datasets": {"small": {"data/a.csv": digest("a")}, "large": {"data/b.csv": digest("a")}},
        "code": {"Snakefile": digest("c"), "code/x.py": digest("d"), "code/y.py": digest("e")},
        "specification": {"outputs": digest("6")},
        "reference": {"histograms.json": digest("7")},
    }
    return AnalysisLock.model_validate(document | changes)


def blessing(**changes: Any) -> Blessing:
    """Return who blessed the numbers of `record()`."""
    about: dict[str, Any] = {
        "reason": "right",
        "author": "A. Nobody",
        "date": dt.date(2026, 1, 2),
        "variant": "columnar",
        "dataset": None,
        "inputs": inputs(),
        "files": {},
    }
    return Blessing.model_validate(about | changes)


def step(**changes: Any) -> StepRecord:
    """Return the record of a step that succeeded."""
    document: dict[str, Any] = {
        "rule": "make",
        "job": 1,
        "command": "python3 code/x.py",
        "image": image().reference,
        "engine": "fake",
        "inputs": {"code/x.py": digest("d"), "data/a.csv": digest("a")},
        "outputs": {"results/h.json": digest("8")},
        "ending": "exited",
        "exit_code": 0,
        "started": NOON,
        "wall_seconds": 2.0,
        "cpus": 1.0,
        "memory_limit_bytes": 1 << 30,
        "log": "logs/make-1.log",
    }
    return StepRecord.model_validate(document | changes)


def planned(of: StepRecord) -> PlannedStep:
    """Return the step as it was planned, of a record."""
    return PlannedStep(
        rule=of.rule,
        wildcards=of.wildcards,
        command=of.command,
        container=of.image,
        inputs=tuple(of.inputs),
        outputs=tuple(of.outputs),
    )


def inputs(**changes: Any) -> Inputs:
    """Return the inputs that `make_plan` gives for the documents above."""
    document: dict[str, Any] = {
        "images": {"columnar": digest("1")},
        "datasets": {"small": {"data/a.csv": digest("a")}},
        "code": lock().code,
        "parameters": {"bins": 10, "scale": 1.5},
        "outputs": ("results/h.json", "results/t.csv"),
    }
    return Inputs.model_validate(document | changes)


def record(**changes: Any) -> RunRecord:
    """Return the record of a finished run of two steps."""
    document: dict[str, Any] = {
        "reprun_version": "0",
        "snakemake_version": "9",
        "analysis": "demo",
        "variant": "columnar",
        "dataset": "small",
        "status": "finished",
        "started": NOON,
        "finished": NOON + dt.timedelta(seconds=5),
        "command": ("reprun", "run", "demo"),
        "inputs": inputs(),
        "engine": EngineRecord(name="fake", version="0"),
        "image": ImageRecord(name="columnar", image_id=digest("1"), manifest=digest("2")),
        "host": HostRecord(
            system="Debian",
            kernel="6",
            architecture="x86_64",
            python="3.11",
            cpu="one",
            cpu_flags=("avx2",),
            cores=2,
            memory_bytes=1 << 33,
            cgroup_version=2,
        ),
        "steps": (
            step(),
            step(
                rule="plot",
                job=2,
                inputs={"results/h.json": digest("8")},
                outputs={"results/t.csv": digest("9")},
            ),
        ),
        "outputs": {"results/h.json": digest("8"), "results/t.csv": digest("9")},
    }
    return RunRecord.model_validate(document | changes)


def cell(state: Any, name: str = "a", **fields: Any) -> CellReport:
    """Return a cell of a matrix."""
    codes = {"reproduced": 0, "not reproduced": 1, "failed": 4, "not run": 3, "no reference": 5}
    given: dict[str, Any] = {
        "variant": "columnar",
        "image": "columnar",
        "sentence": f"{state}: so <it> is",
    }
    given["exit_code"] = codes[state]
    given["ran"] = state != "not run"
    return CellReport(analysis=name, state=state, **(given | fields))


def matrix(*cells: CellReport) -> MatrixReport:
    """Return the report of these cells."""
    return MatrixReport(
        generator="reprun",
        started=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
        wall_seconds=1.0,
        sentence=matrix_sentence(cells),
        cells=cells,
    )

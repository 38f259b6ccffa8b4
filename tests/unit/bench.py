"""An analysis that has runs and references, without any real image: what blessings are tried on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_file
from reprun.documents.project import read_project
from reprun.documents.record import Inputs, write_record
from reprun.documents.selection import Selection, select
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.report.model import Report
from reprun.runs.blessed import Blessing, read_blessing
from reprun.runs.blessing import bless_last_run
from reprun.runs.judge import Outputs, judge
from reprun.runs.lock import compute_lock, write_lock
from reprun.runs.mixing import read_contents
from reprun.store.store import Store
from tests.projects import mark_project
from tests.unit import builders

ANALYSIS = """\
schema_version: 1
name: demo
title: A demonstration
experiment: CMS
dphep_level: "2"
parameters: {bins: 10, max_events: 0}
variants:
  columnar: {image: columnar}
  other: {image: other}
outputs:
  histograms: [h.json]
  tables: [t.csv, u.csv]
  documents: [fit.json]
compare:
  - {match: "*", kind: count}
"""


def uhi(values: Mapping[str, int]) -> str:
    """Return histograms of one filled bin each."""
    one = {
        "uhi_schema": 1,
        "axes": [
            {"type": "regular", "lower": 0, "upper": 1, "bins": 1, "underflow": False,
             "overflow": False, "circular": False}
        ],
    }  # fmt: skip
    return json.dumps(
        {
            name: {**one, "storage": {"type": "int", "values": [value]}}
            for name, value in values.items()
        }
    )


FIRST = {
    "h.json": uhi({"pt": 1, "eta": 2, "mass": 3}),
    "t.csv": "row,value\nx,10\n",
    "u.csv": "row,value\nx,20\n",
    "fit.json": json.dumps({"mu": 1.5, "limits": [0.1, 0.2]}),
}
SECOND = {
    "h.json": uhi({"pt": 1, "eta": 7, "mass": 3}),
    "t.csv": "row,value\nx,11\n",
    "u.csv": "row,value\nx,20\n",
    "fit.json": json.dumps({"mu": 1.5, "limits": [0.1, 0.3]}),
}


class Bench:
    """An analysis with runs and references, without any real image."""

    def __init__(self, root: Path, store: Store | None = None) -> None:
        self.root = root
        self.home = root / "project" / "examples" / "demo"
        self.reference = self.home / "reference"
        self.store = store or Store(root / "store")

    def selection(self, results: str = "results", **chosen: Any) -> Selection:
        project = read_project(self.root / "project")
        return select(project, "demo", results=self.root / results, **chosen)

    def runs(
        self,
        files: Mapping[str, str],
        inputs: Inputs | None = None,
        *,
        compare: bool = True,
        **chosen: Any,
    ) -> Report | None:
        """Let a run have made files; compare it with the reference, if there is one."""
        selection = self.selection(**chosen)
        place = selection.run_directory
        shutil.rmtree(place, ignore_errors=True)
        (place / "outputs").mkdir(parents=True)
        for name, text in files.items():
            (place / "outputs" / name).write_text(text)
        record = builders.record(
            outputs={name: sha256_file(place / "outputs" / name) for name in files},
            inputs=inputs or builders.inputs(),
            variant=selection.variant,
            dataset=None,
            tier=selection.tier.name if selection.tier else None,
        )
        write_record(record, place)
        if not compare:
            return None
        outputs = Outputs(
            selection=selection,
            directory=place / "outputs",
            run_directory=place,
            evaluated_by="x",
            catalogue=Catalogue.of(selection.project),
            store=self.store,
            progress=Silent(),
        )
        return judge(outputs, record)

    def bless(self, *, results: str = "results", chosen: Any = None, **fields: Any) -> list[str]:
        given = {"reason": "right", "author": "A. Nobody"} | fields
        selection = self.selection(results, **(chosen or {}))
        return list(bless_last_run(selection, self.store, Silent(), **given).written)

    def blessing(self) -> Blessing:
        found = read_blessing(self.reference)
        assert found is not None
        return found

    def text(self, name: str) -> str:
        return (self.reference / name).read_text()

    def objects(self) -> dict[str, str]:
        """Return the text of every object of the reference by its name."""
        found = read_contents(self.reference)
        texts = {name: text for each in found.texts.values() for name, text in each.items()}
        return texts | {name: self.text(file) for name, file in found.tables.items()}


def blessed_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store | None = None
) -> Bench:
    """Return a bench whose first run was blessed."""

    def locked(_: object, name: str) -> Image:
        return builders.image(name)

    monkeypatch.setattr("reprun.images.catalogue.catalogue.Catalogue.locked", locked)
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))
    found = Bench(tmp_path, store)
    (tmp_path / "project" / "images").mkdir(parents=True)
    monkeypatch.setenv("REPRUN_STORE", str(found.store.root))
    (found.home / "code").mkdir(parents=True)
    (found.home / "Snakefile").touch()
    (found.home / "analysis.yaml").write_text(ANALYSIS)
    write_lock(compute_lock(found.selection()), found.home)
    found.runs(FIRST)
    found.bless()
    return found

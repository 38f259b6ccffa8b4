"""Nights of a cell for a history, from records and reports as runs write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.record import REPORT_JSON, RunRecord
from reprun.history import rows
from reprun.history.database import FILE, opened
from reprun.history.evidence import Evidence, judged_of, made_of
from reprun.history.model import Entry, Run, State
from reprun.images.packages import Packages
from reprun.report.model import AnalysisInfo, ReferenceInfo, Report, ReportItem, report_json
from tests.unit import builders

FIRST = dt.datetime(2026, 3, 1, 2, tzinfo=dt.UTC)
CODE = b"import numpy\nfill()\n"
GOOD: Mapping[str, str] = {"m4l": "a" * 64, "pt": "b" * 64}


def digest_of(name: str) -> str:
    """Return the digest of a name."""
    return sha256_bytes(name.encode())


def report_of(contents: Mapping[str, str], bad: Sequence[str] = (), started: str = "") -> Report:
    """Return the report of a run that made these objects; those that are bad do not pass."""
    items = [
        ReportItem(
            name=name,
            title="",
            class_name="TH1D",
            verdict="changed" if name in bad else "identical",
            passes=name not in bad,
            sentence="s",
            kind="count",
            rule=None,
            monitored_hash=content,
            reference_hash=GOOD.get(name),
            bins=1,
            differing=int(name in bad),
            beyond=int(name in bad),
            max_ulp=0.0,
            max_relative=0.25 if name in bad else 0.0,
            max_pull=None,
        )
        for name, content in contents.items()
    ]
    return Report(
        generator="reprun 0",
        analysis=AnalysisInfo(name="demo", title="t"),
        status="not reproduced" if bad else "reproduced",
        sentence="not reproduced: as it is" if bad else "reproduced",
        reference=ReferenceInfo(digest=digest_of("reference")),
        counts={},
        items=tuple(items),
        provenance={"started": started},
    )


@dataclass
class Nights:
    """A history to which nights are added, each as a run would leave it."""

    results: Path
    analysis: str = "demo"
    variant: str = "columnar"
    packages: dict[str, Packages] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the history is."""
        return self.results / FILE

    def entry(
        self,
        day: int,
        contents: Mapping[str, str] = GOOD,
        *,
        bad: Sequence[str] = (),
        seconds: float = 2.0,
        state: State = "compared",
        sentence: str = "",
        texts: Sequence[bytes] = (CODE,),
        record: Mapping[str, Any] | None = None,
        host: Mapping[str, Any] | None = None,
        **inputs: Any,
    ) -> Entry:
        """Return what a run leaves that was started on a day; `inputs` are changes of its own."""
        at = FIRST + dt.timedelta(days=day)
        run = Run(
            at=at,
            analysis=self.analysis,
            variant=self.variant,
            dataset="small",
            image=self.variant,
            state=state,
            ran=True,
            sentence=sentence,
        )
        if state in ("not run", "failed") and record is None:
            return Entry(run=run)
        code = {"Snakefile": digest_of("s"), "code/fill.py": sha256_bytes(CODE)}
        given = builders.inputs(**{"code": code, **inputs})
        report = report_of(contents, bad, at.isoformat())
        made_by = builders.record(
            analysis=self.analysis,
            variant=self.variant,
            started=at,
            finished=at + dt.timedelta(seconds=seconds),
            inputs=given,
            steps=(builders.step(wall_seconds=seconds, peak_memory_bytes=10**8),),
            reports={REPORT_JSON: sha256_bytes(report_json(report).encode())},
            **(record or {}),
        )
        if host:
            changed = made_by.host.model_copy(update=dict(host))
            made_by = made_by.model_copy(update={"host": changed})
        return self._entry(run, made_by, report if state == "compared" else None, texts)

    def _entry(
        self, run: Run, record: RunRecord, report: Report | None, texts: Sequence[bytes]
    ) -> Entry:
        digest = sha256_bytes(canonical_json(record.model_dump(mode="json")))
        sealed = report_json(report).encode() if report else None
        evidence = Evidence(record, digest, sealed)
        return Entry(
            run=run.model_copy(update={"record": digest, "report": evidence.report_digest}),
            made=made_of(evidence, report, self.tables),
            judged=judged_of(evidence, report) if report else None,
            packages=self.packages,
            texts={sha256_bytes(text): text for text in texts},
        )

    def add(self, day: int, *given: Any, **changes: Any) -> Entry:
        """Write the row of a night."""
        found = self.entry(day, *given, **changes)
        self.write(found)
        return found

    def write(self, *entries: Entry) -> int:
        """Write rows; return how many are new."""
        with opened(self.path) as database, database.transaction():
            return sum(rows.add(database, entry) for entry in entries)

    def copied(self, of: Entry, day: int) -> Entry:
        """Return a run like another on another day, with a record and report of its own."""
        assert of.made is not None
        assert of.judged is not None
        digests = [digest_of(f"{what} {self.analysis} {day}") for what in ("record", "report")]
        at = FIRST + dt.timedelta(days=day)
        own = {"at": at, "record": digests[0], "report": digests[1]}
        return Entry(
            run=of.run.model_copy(update=own),
            made=of.made.model_copy(update={"digest": digests[0], "finished": at}),
            judged=of.judged.model_copy(update={"digest": digests[1]}),
        )

    def again(self, day: int, of: Entry) -> Entry:
        """Write the row of a night in which nothing had changed since a run."""
        at = FIRST + dt.timedelta(days=day)
        found = Entry(run=of.run.model_copy(update={"at": at, "ran": False}))
        self.write(found)
        return found

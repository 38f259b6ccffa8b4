"""The part of an import that reads a stranger's database: a program, for a sandbox.

It is given a copy of the file, and writes what it finds as entries, one a line. A library that a
damaged or hostile file leads astray can reach nothing here; what is written is validated outside.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from reprun.bounded import limits
from reprun.errors import IntegrityError, ReprunError
from reprun.files import write_atomically
from reprun.history import rows
from reprun.history.database import Database, checked_copy
from reprun.history.model import Entry, Factor, Judged, Made, Run
from reprun.images.packages import Packages
from reprun.workflow.protocol import Problem

SOURCE = "source.sqlite"
ENTRIES = "entries.jsonl"
PROBLEM = "problem.json"


def entries(database: Database) -> Iterator[Entry]:
    """Yield every run; what several have in common comes with the first of them."""
    told: set[str] = set()
    for cell in rows.cells(database):
        for night in rows.nights(database, cell):
            record, report = rows.seals(database, night)
            run = Run(
                at=night.at,
                analysis=cell.analysis,
                variant=cell.variant,
                dataset=cell.dataset,
                tier=cell.tier,
                image=night.image,
                state=night.state,
                ran=night.ran,
                sentence=night.sentence,
                record=record.digest if record else None,
                report=report.digest if report else None,
            )
            if run.identity != night.identity:
                raise IntegrityError(f"the run {night.name} of the history was changed by hand")
            made = _made(database, night.record, record) if record else None
            yield Entry(
                run=run,
                made=made if made and _first(made.digest, told) else None,
                judged=_judged(database, night.report, report)
                if report and _first(report.digest, told)
                else None,
                packages=dict(_packages(database, made.factors, told)) if made else {},
                texts=dict(_texts(database, made.factors, told)) if made else {},
            )


def _first(digest: str, told: set[str]) -> bool:
    if digest in told:
        return False
    told.add(digest)
    return True


def _made(database: Database, record: int | None, seal: rows.RecordSeal) -> Made:
    assert record is not None
    return Made(
        digest=seal.digest,
        finished=dt.datetime.fromisoformat(seal.finished),
        wall_seconds=seal.wall_seconds,
        factors=tuple(rows.factors(database, record)),
        steps=tuple(rows.steps(database, [record])[record]),
    )


def _judged(database: Database, report: int | None, seal: rows.ReportSeal) -> Judged:
    return Judged(
        digest=seal.digest,
        verdict=seal.verdict,
        sentence=seal.sentence,
        objects=tuple(rows.objects(database, report)),
        left_out=seal.left_out,
    )


def _packages(
    database: Database, factors: tuple[Factor, ...], told: set[str]
) -> Iterator[tuple[str, Packages]]:
    for factor in factors:
        if factor.kind == "image" and _first(factor.digest, told):
            found = rows.packages(database, factor.digest)
            if found is not None:
                yield factor.digest, found


def _texts(
    database: Database, factors: tuple[Factor, ...], told: set[str]
) -> Iterator[tuple[str, bytes]]:
    for factor in factors:
        if factor.kind in ("code", "conditions") and _first(factor.digest, told):
            found = rows.text(database, factor.digest)
            if found is not None:
                yield factor.digest, found


def main(control: Path) -> None:
    """Write the entries of the file in a directory, there, or why it cannot be read."""
    try:
        with checked_copy(control / SOURCE) as database, (control / ENTRIES).open("wb") as out:
            for number, entry in enumerate(entries(database)):
                if number >= limits.HISTORY_RUNS.value:
                    raise IntegrityError(f"it has more than {limits.HISTORY_RUNS.words}")
                out.write(entry.model_dump_json().encode() + b"\n")
    except ReprunError as error:
        problem = json.dumps(Problem.of(error).model_dump(mode="json"))
        write_atomically(control / PROBLEM, problem.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Rows of the history: a run written in one piece, and read as it was."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from reprun.bounded import limits
from reprun.digests import canonical_json, sha256_bytes
from reprun.errors import IntegrityError, SpecificationError
from reprun.history.database import Database
from reprun.history.model import (
    Entry,
    Factor,
    Judged,
    Made,
    Object,
    Run,
    State,
    Step,
    Verdict,
    instant,
    short_of,
)
from reprun.images.packages import Packages
from reprun.report.marks import State as Shown

AT_A_TIME = 500
"""Values of one query: SQLite takes no more than 999 in its older versions."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One analysis in one variant, on one dataset or a part of it."""

    id: int
    analysis: str
    variant: str
    dataset: str
    tier: str

    @property
    def name(self) -> str:
        """What people call it, as the matrix does."""
        return f"{self.analysis}/{self.variant}"


@dataclass(frozen=True, slots=True)
class Night:
    """One run of a cell, as far as a series of them needs it."""

    id: int
    identity: str
    at: dt.datetime
    image: str
    state: State
    verdict: Verdict | None
    ran: bool
    sentence: str
    record: int | None
    report: int | None
    factors_digest: str | None
    """The same for runs that were made from the same."""
    objects_digest: str | None
    """The same for runs that made the same."""
    wall_seconds: float | None
    origin: str
    """Where it was imported from; empty for a run of these results."""

    @property
    def name(self) -> str:
        """What people call it in a command."""
        return short_of(self.identity)

    @property
    def day(self) -> str:
        """The day that a sentence names."""
        return f"{self.at:%Y-%m-%d}"

    @property
    def shown(self) -> Shown:
        """Its state as the matrix has it."""
        if self.verdict is not None:
            return self.verdict
        match self.state:
            case "nothing to compare":
                return "no reference"
            case "interrupted" | "not run":
                return "not run"
            case _:
                return "failed"


# -- written -------------------------------------------------------------------------------------


def add(database: Database, entry: Entry, *, origin: str = "") -> bool:
    """Write a run, inside of a transaction; return False where it is there already.

    Raises IntegrityError for a run whose record or report is neither known nor given: a row has no
    other verdict than that of a report.
    """
    run = entry.run
    known = database.execute("SELECT 1 FROM runs WHERE identity = ?", (run.identity,))
    if known.fetchone():
        return False
    record = None if run.record is None else _record(database, run.record, entry.made)
    report = None if run.report is None else _report(database, run.report, entry.judged)
    database.execute(
        "INSERT INTO runs (identity, at, cell, image, state, ran, sentence, record, report, origin)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(run.identity, instant(run.at), _cell(database, run), run.image, run.state),
            *(run.ran, run.sentence, record, report, origin),
        ),
    )
    for image, packages in entry.packages.items():
        database.execute_many(
            "INSERT OR IGNORE INTO packages (image, kind, name, version) VALUES (?, ?, ?, ?)",
            [(image, "wheel", name, version) for name, version in packages.wheels.items()]
            + [(image, "debian", name, version) for name, version in packages.debian.items()],
        )
    for digest, data in entry.texts.items():
        if sha256_bytes(data) == digest:
            database.execute(
                "INSERT OR IGNORE INTO texts (digest, bytes) VALUES (?, ?)",
                (digest, zlib.compress(data)),
            )
    return True


def begin(database: Database, run: Run, process: str) -> None:
    """Note that a run has begun in a process, by its mark, until `end`: inside of a transaction."""
    database.execute(
        "INSERT OR IGNORE INTO begun (process, at, cell, image) VALUES (?, ?, ?, ?)",
        (process, instant(run.at), _cell(database, run), run.image),
    )


def end(database: Database, run: Run, process: str) -> None:
    """Note that a run that had begun has its row."""
    database.execute(
        "DELETE FROM begun WHERE process = ? AND at = ? AND cell = ?",
        (process, instant(run.at), _cell(database, run)),
    )


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that began and has no row yet: it is under way, or its process was killed."""

    process: str
    """The mark of its process."""
    at: dt.datetime
    cell: Cell
    image: str


def begun(database: Database) -> list[Begun]:
    """Return the runs that began and have no row yet."""
    found = database.execute(
        "SELECT process, at, image, cells.id, analysis, variant, dataset, tier FROM begun"
        " JOIN cells ON cells.id = begun.cell ORDER BY at, analysis, variant"
    )
    return [
        Begun(process, dt.datetime.fromisoformat(at), Cell(*cell), image)
        for process, at, image, *cell in found
    ]


def knows(database: Database, table: str, digest: str | None) -> bool:
    """Tell whether a record or report is there already: `table` is `records` or `reports`."""
    assert table in ("records", "reports")
    found = database.execute(f"SELECT 1 FROM {table} WHERE digest = ?", (digest,))  # noqa: S608
    return found.fetchone() is not None


def _cell(database: Database, run: Run) -> int:
    named = (run.analysis, run.variant, run.dataset, run.tier)
    database.execute(
        "INSERT OR IGNORE INTO cells (analysis, variant, dataset, tier) VALUES (?, ?, ?, ?)", named
    )
    found = database.execute(
        "SELECT id FROM cells WHERE analysis = ? AND variant = ? AND dataset = ? AND tier = ?",
        named,
    )
    return int(found.fetchone()[0])


def _record(database: Database, digest: str, made: Made | None) -> int:
    found = database.execute("SELECT id FROM records WHERE digest = ?", (digest,)).fetchone()
    if found:
        return int(found[0])
    if made is None or made.digest != digest:
        raise IntegrityError(f"a run of the history names a record that is not there: {digest}")
    new = database.execute(
        "INSERT INTO records (digest, finished, wall_seconds, factor_set) VALUES (?, ?, ?, ?)",
        (digest, instant(made.finished), made.wall_seconds, _factor_set(database, made)),
    ).lastrowid
    assert new is not None
    database.execute_many(
        "INSERT INTO steps (record, position, name, seconds, cpu_seconds, max_rss_bytes, kept)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (new, n, each.name, each.seconds, each.cpu_seconds, each.max_rss_bytes, each.kept)
            for n, each in enumerate(made.steps)
        ],
    )
    return new


def _factor_set(database: Database, made: Made) -> int:
    """Return the factors of a record; from night to night they are mostly the same."""
    every = [(f.kind, f.name, f.digest, f.value) for f in made.factors]
    digest = sha256_bytes(canonical_json(sorted(every)))
    found = database.execute("SELECT id FROM factor_sets WHERE digest = ?", (digest,)).fetchone()
    if found:
        return int(found[0])
    new = database.execute(
        "INSERT INTO factor_sets (digest, factors_digest) VALUES (?, ?)",
        (digest, made.factors_digest),
    ).lastrowid
    assert new is not None
    database.execute_many(
        "INSERT INTO factors (factor_set, kind, name, digest, value) VALUES (?, ?, ?, ?, ?)",
        [(new, *each) for each in every],
    )
    return new


def _report(database: Database, digest: str, judged: Judged | None) -> int:
    found = database.execute("SELECT id FROM reports WHERE digest = ?", (digest,)).fetchone()
    if found:
        return int(found[0])
    if judged is None or judged.digest != digest:
        raise IntegrityError(f"a run of the history names a report that is not there: {digest}")
    new = database.execute(
        "INSERT INTO reports (digest, verdict, sentence, object_set) VALUES (?, ?, ?, ?)",
        (digest, judged.verdict, judged.sentence, _object_set(database, judged)),
    ).lastrowid
    assert new is not None
    return new


def _object_set(database: Database, judged: Judged) -> int:
    """Return the objects of a report; from night to night they are mostly the same."""
    text = judged.model_dump_json(include={"objects", "left_out"})
    digest = sha256_bytes(text.encode())
    found = database.execute("SELECT id FROM object_sets WHERE digest = ?", (digest,)).fetchone()
    if found:
        return int(found[0])
    new = database.execute(
        "INSERT INTO object_sets (digest, objects_digest, left_out) VALUES (?, ?, ?)",
        (digest, judged.objects_digest, judged.left_out),
    ).lastrowid
    assert new is not None
    database.execute_many(
        "INSERT INTO objects (object_set, position, name, verdict, passes, content_hash,"
        " largest_deviation, largest_pull) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(new, n, each.name, each.verdict, each.passes, each.content_hash),
                *(each.largest_deviation, each.largest_pull),
            )
            for n, each in enumerate(judged.objects)
        ],
    )
    return new


# -- read ----------------------------------------------------------------------------------------


def cells(database: Database, analysis: str | None = None) -> list[Cell]:
    """Return every cell, or those of an analysis, by name."""
    found = database.execute(
        "SELECT id, analysis, variant, dataset, tier FROM cells"
        " WHERE :analysis IS NULL OR analysis = :analysis"
        " ORDER BY analysis, variant, dataset, tier",
        {"analysis": analysis},
    )
    return [Cell(*row) for row in found]


def cell_of(database: Database, run: Run) -> Cell | None:
    """Return the cell of a run."""
    found = (run.variant, run.dataset, run.tier)
    every = cells(database, run.analysis)
    return next((each for each in every if (each.variant, each.dataset, each.tier) == found), None)


@dataclass(frozen=True, slots=True)
class RecordSeal:
    """A record, without its factors and steps."""

    digest: str
    finished: str
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class ReportSeal:
    """A report, without its objects."""

    digest: str
    verdict: Verdict
    sentence: str
    left_out: int


def seals(database: Database, night: Night) -> tuple[RecordSeal | None, ReportSeal | None]:
    """Return the record and the report of a run, as far as it has them."""
    record = database.execute(
        "SELECT digest, finished, wall_seconds FROM records WHERE id = ?", (night.record,)
    ).fetchone()
    report = database.execute(
        "SELECT reports.digest, verdict, sentence, left_out FROM reports"
        " JOIN object_sets ON object_sets.id = object_set WHERE reports.id = ?",
        (night.report,),
    ).fetchone()
    return RecordSeal(*record) if record else None, ReportSeal(*report) if report else None


_NIGHT = """\
SELECT runs.id, identity, at, image, state, verdict, ran, runs.sentence, runs.record, runs.report,
  factors_digest, objects_digest, wall_seconds, origin
FROM runs
LEFT JOIN records ON records.id = runs.record
LEFT JOIN factor_sets ON factor_sets.id = records.factor_set
LEFT JOIN reports ON reports.id = runs.report
LEFT JOIN object_sets ON object_sets.id = reports.object_set
"""


def _night(row: Sequence[Any]) -> Night:
    id_, identity, at, image, state, verdict, ran, *rest = row
    if state not in get_args(State) or verdict not in (None, *get_args(Verdict)):
        raise ValueError(f"the state of a run is {state!r}, its verdict {verdict!r}")
    return Night(
        id_, identity, dt.datetime.fromisoformat(at), image, state, verdict, bool(ran), *rest
    )


def nights(database: Database, cell: Cell) -> list[Night]:
    """Return the runs of a cell in the order in which they were started."""
    found = database.execute(f"{_NIGHT} WHERE cell = ? ORDER BY at, runs.id", (cell.id,))
    return [_night(row) for row in found]


def run_called(database: Database, name: str) -> Night:
    """Return the run that a name means: the first digits of its identity, four or more.

    Raises SpecificationError where none or several are called so.
    """
    digits = name.strip().lower().removeprefix("sha256:")
    found: list[Night] = []
    if re.fullmatch(r"[0-9a-f]{4,64}", digits):
        like = f"sha256:{digits}%"
        rows = database.execute(f"{_NIGHT} WHERE identity LIKE ? LIMIT 2", (like,))
        found = [_night(row) for row in rows]
    if len(found) == 1:
        return found[0]
    what = f"several runs are called '{name}'" if found else f"no run is called '{name}'"
    raise SpecificationError(f"{what} in {database.path}", hint="reprun history show ANALYSIS")


def cell_called(database: Database, run: Night) -> Cell:
    """Return the cell that a run is of."""
    found = database.execute(
        "SELECT cells.id, analysis, variant, dataset, tier FROM cells"
        " JOIN runs ON runs.cell = cells.id WHERE runs.id = ?",
        (run.id,),
    )
    return Cell(*found.fetchone())


def factors(database: Database, record: int | None) -> list[Factor]:
    """Return all that a run was made from and judged by, in the order in which it is told."""
    found = database.execute(
        "SELECT kind, name, factors.digest, value FROM factors"
        " JOIN records USING (factor_set) WHERE records.id = ?",
        (record,),
    )
    every = [Factor(kind=kind, name=name, digest=d, value=v) for kind, name, d, v in found]
    return sorted(every, key=lambda factor: factor.key)


def objects(database: Database, report: int | None) -> list[Object]:
    """Return the objects of a report in its order."""
    found = database.execute(
        "SELECT name, objects.verdict, passes, content_hash, largest_deviation, largest_pull"
        " FROM objects JOIN reports USING (object_set) WHERE reports.id = ? ORDER BY position",
        (report,),
    )
    return [
        Object(
            name=name,
            verdict=verdict,
            passes=bool(passes),
            content_hash=content,
            largest_deviation=deviation,
            largest_pull=pull,
        )
        for name, verdict, passes, content, deviation, pull in found
    ]


def failing(database: Database, reports: Sequence[int]) -> dict[int, set[str]]:
    """Return the names of the objects that do not pass, by report."""
    found: dict[int, set[str]] = {report: set() for report in reports}
    for some, marks in _batches(sorted(found)):
        rows = database.execute(
            "SELECT reports.id, name FROM objects JOIN reports USING (object_set)"  # noqa: S608
            f" WHERE NOT passes AND reports.id IN ({marks})",
            some,
        )
        for report, name in rows:
            found[report].add(name)
    return found


def largest_deviations(database: Database, reports: Sequence[int]) -> dict[int, float | None]:
    """Return the largest relative deviation of an object, by report; None where none has one."""
    found: dict[int, float | None] = dict.fromkeys(reports)
    for some, marks in _batches(sorted(found)):
        found |= database.execute(
            "WITH wanted AS (SELECT id, object_set FROM reports"  # noqa: S608
            f" WHERE id IN ({marks})) SELECT id, largest FROM wanted JOIN ("
            "SELECT object_set, max(largest_deviation) AS largest FROM objects"
            " WHERE object_set IN (SELECT object_set FROM wanted) GROUP BY object_set"
            ") USING (object_set)",
            some,
        )
    return found


def factor_sets(database: Database, records: Sequence[int]) -> dict[int, int]:
    """Return the set of factors of each record: the same for those of which none differs."""
    found: dict[int, int] = {}
    for some, marks in _batches(sorted(set(records))):
        found |= database.execute(
            f"SELECT id, factor_set FROM records WHERE id IN ({marks})",  # noqa: S608
            some,
        )
    return found


def steps(database: Database, records: Sequence[int]) -> dict[int, list[Step]]:
    """Return the steps of runs, by record."""
    found: dict[int, list[Step]] = {record: [] for record in records}
    for some, marks in _batches(sorted(found)):
        rows = database.execute(
            "SELECT record, name, seconds, cpu_seconds, max_rss_bytes, kept FROM steps"  # noqa: S608
            f" WHERE record IN ({marks}) ORDER BY record, position",
            some,
        )
        for record, name, seconds, cpu, memory, kept in rows:
            found[record].append(
                Step(
                    name=name,
                    seconds=seconds,
                    cpu_seconds=cpu,
                    max_rss_bytes=memory,
                    kept=bool(kept),
                )
            )
    return found


def _batches(values: Sequence[int]) -> Iterator[tuple[tuple[int, ...], str]]:
    for start in range(0, len(values), AT_A_TIME):
        some = tuple(values[start : start + AT_A_TIME])
        yield some, ", ".join("?" * len(some))


def packages(database: Database, image: str) -> Packages | None:
    """Return what is installed in an image, by its ID; None where that is not known."""
    found: Mapping[str, dict[str, str]] = {"wheel": {}, "debian": {}}
    for kind, name, version in database.execute(
        "SELECT kind, name, version FROM packages WHERE image = ?", (image,)
    ):
        found[kind][name] = version
    return Packages(wheels=found["wheel"], debian=found["debian"]) if any(found.values()) else None


def text(database: Database, digest: str) -> bytes | None:
    """Return the bytes of a code file or table; None where they were not kept, or are others."""
    found = database.execute("SELECT bytes FROM texts WHERE digest = ?", (digest,)).fetchone()
    if found is None or not isinstance(found[0], bytes):
        return None
    try:
        data = zlib.decompressobj().decompress(found[0], limits.KEPT_TEXT.value + 1)
    except zlib.error:
        return None
    return data if sha256_bytes(data) == digest else None


# -- removed -------------------------------------------------------------------------------------


def remove(database: Database, gone: Sequence[Night]) -> None:
    """Remove runs, and records, reports, packages and texts that no other run has."""
    database.execute_many("DELETE FROM runs WHERE id = ?", [(night.id,) for night in gone])
    for table, column in (("records", "record"), ("reports", "report")):
        database.execute(
            f"DELETE FROM {table} WHERE id NOT IN"  # noqa: S608
            f" (SELECT {column} FROM runs WHERE {column} IS NOT NULL)"
        )
    database.execute("DELETE FROM factor_sets WHERE id NOT IN (SELECT factor_set FROM records)")
    database.execute("DELETE FROM object_sets WHERE id NOT IN (SELECT object_set FROM reports)")
    database.execute("DELETE FROM packages WHERE image NOT IN (SELECT digest FROM factors)")
    database.execute("DELETE FROM texts WHERE digest NOT IN (SELECT digest FROM factors)")
    database.execute(
        "DELETE FROM cells WHERE id NOT IN (SELECT cell FROM runs UNION SELECT cell FROM begun)"
    )

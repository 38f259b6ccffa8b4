"""Questions to a snapshot: what it holds, what is in force for a run, what a row says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from reprun import data
from reprun.conditions.changes import keep_tables
from reprun.conditions.compare import Files, corrections, index_of, time_text
from reprun.conditions.databases import open_index
from reprun.conditions.lumi import Mask, read_mask
from reprun.conditions.snapshot import DOCUMENT, Snapshot
from reprun.conditions.tables import read_table, sample_weight
from reprun.errors import IntegrityError, ReprunError, SpecificationError, did_you_mean
from reprun.progress import Progress
from reprun.store import collection
from reprun.store.store import Store


def verified_files(snapshot: Snapshot, directory: Path, store: Store, progress: Progress) -> Files:
    """Return where each file of a snapshot lies, fetched where need be and verified."""
    if not snapshot.files:
        return {}
    collection.register(store, directory / DOCUMENT)
    found = data.resolve(snapshot.dataset(), directory, store, progress)
    files = {file.path: file.local or store.blob_path(file.digest) for file in found}
    keep_tables(snapshot, files, store)
    return files


@contextmanager
def naming(snapshot: Snapshot, files: Files) -> Iterator[None]:
    """Let errors name a file as its snapshot does, not by the digest it has in the store."""
    try:
        yield
    except ReprunError as error:
        for path, local in files.items():
            if local.name != PurePosixPath(path).name:
                error.message = error.message.replace(local.name, path)
                place = error.place or ""
                error.place = place.replace(str(local), f"{snapshot.name}: {path}") or None
        raise


def contents(snapshot: Snapshot, files: Files) -> list[dict[str, Any]]:
    """Return what a snapshot holds, a row for each record, range of runs, row or correction."""
    match snapshot.kind:
        case "sqlite-snapshot":
            with open_index(index_of(snapshot, files)) as index:
                return [
                    {
                        "record": entry.record,
                        "label": entry.label,
                        "tag": entry.tag,
                        "object": entry.object_type,
                        "intervals": len(index.intervals(entry)),
                    }
                    for entry in index.entries(snapshot.global_tag or "")
                ]
        case "lumi-json":
            mask = read_mask(index_of(snapshot, files))
            numbers = sorted(mask.runs)
            return [
                {
                    "runs": len(numbers),
                    "first": numbers[0],
                    "last": numbers[-1],
                    "ranges": mask.ranges,
                    "blocks": mask.blocks,
                }
            ]
        case "table":
            return [{"rows": len(read_table(index_of(snapshot, files), snapshot.key or ""))}]
        case "correctionlib":
            return [
                {"correction": name, "version": each.get("version")}
                for name, each in corrections(index_of(snapshot, files)).items()
            ]
        case _:
            return []


def mask_of(snapshot: Snapshot, files: Files) -> Mask:
    """Return the mask of validated runs that a snapshot is."""
    if snapshot.kind != "lumi-json":
        raise SpecificationError(
            f"{snapshot.name} is of kind {snapshot.kind}, not a mask of validated runs (lumi-json)",
            hint="reprun conditions list",
        )
    return read_mask(index_of(snapshot, files))


def in_force(
    snapshot: Snapshot, files: Files, run: int, lumi: int, record: str | None
) -> list[dict[str, Any]]:
    """Return what is in force for a run and luminosity block.

    Raises IntegrityError where a tag has no interval for it, and SpecificationError for a
    record that the global tag does not have.
    """
    if snapshot.kind == "lumi-json":
        mask = read_mask(index_of(snapshot, files))
        return [{"run": run, "lumi": lumi or None, "certified": mask.has(run, lumi or None)}]
    if snapshot.kind != "sqlite-snapshot":
        raise SpecificationError(
            f"a snapshot of kind {snapshot.kind} has nothing that depends on the run",
            hint=f"reprun conditions show {snapshot.name}",
        )
    with open_index(index_of(snapshot, files)) as index:
        entries = index.entries(snapshot.global_tag or "")
        known = {entry.record for entry in entries}
        if record is not None and record not in known:
            raise SpecificationError(
                f"the global tag {snapshot.global_tag} has no record '{record}'"
                + did_you_mean(record, known),
                hint=f"reprun conditions show {snapshot.name}",
            )
        rows, gaps = [], []
        for entry in entries:
            kind = index.time_type(entry)
            if record not in (None, entry.record) or (
                record is None and kind not in ("Run", "Lumi")
            ):
                continue
            try:
                interval = index.look_up(entry, run, lumi).interval
            except IntegrityError as gap:
                gaps.append(gap)
                continue
            rows.append(
                {
                    "record": entry.record,
                    "label": entry.label,
                    "tag": entry.tag,
                    "since": time_text(interval.since, kind),
                    "until": time_text(interval.until, kind),
                    "payload": interval.payload,
                }
            )
        if gaps:
            raise IntegrityError(
                "\n    ".join(gap.message for gap in gaps),
                place=gaps[0].place,
                hint=f"reprun conditions get {snapshot.name} --run {run} --record RECORD"
                "   # for one that has an interval",
            )
        return rows


def table_row(
    snapshot: Snapshot, files: Files, name: str, luminosity_per_fb: float | None
) -> dict[str, Any]:
    """Return a row of a table, with the weight of one event if a luminosity is given."""
    if snapshot.kind != "table":
        raise SpecificationError(
            f"{snapshot.name} is of kind {snapshot.kind}, it has no rows",
            hint=f"reprun conditions show {snapshot.name}",
        )
    rows = read_table(index_of(snapshot, files), snapshot.key or "")
    if name not in rows:
        raise SpecificationError(
            f"{snapshot.name} has no row '{name}'{did_you_mean(name, rows)}",
            hint=f"reprun conditions show {snapshot.name}",
        )
    found: dict[str, Any] = dict(rows[name])
    if luminosity_per_fb is not None:
        found["weight"] = sample_weight(rows[name], luminosity_per_fb)
    return found

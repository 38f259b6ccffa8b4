"""What differs between two snapshots: records, tags and intervals, runs, or rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text
from reprun.conditions.databases import ConditionsIndex, Entry, open_index
from reprun.conditions.lumi import read_mask
from reprun.conditions.snapshot import Snapshot
from reprun.conditions.tables import changed_cells, read_table
from reprun.digests import short
from reprun.errors import SpecificationError

Files = dict[str, Path]
"""Where each file of a snapshot lies, verified, by its path in the snapshot."""


def index_of(snapshot: Snapshot, files: Files) -> Path:
    """Return the index database of a CMS snapshot: the first of its files."""
    return files[snapshot.files[0].path]


def differences(
    before: Snapshot, before_files: Files, now: Snapshot, now_files: Files
) -> list[str]:
    """Return one line for each thing that differs between two snapshots of a kind."""
    if before.kind != now.kind:
        raise SpecificationError(
            f"{before.name} is of kind {before.kind}, {now.name} of kind {now.kind}",
            hint="reprun conditions list",
        )
    if not (before.files and now.files):
        return _facts(before, now)
    first, second = before_files[before.files[0].path], now_files[now.files[0].path]
    match before.kind:
        case "sqlite-snapshot":
            lines = _databases(first, before.global_tag or "", second, now.global_tag or "")
        case "lumi-json":
            lines = _masks(first, second)
        case "table":
            key = before.key or ""
            cells = changed_cells(read_table(first, key), read_table(second, now.key or key))
            lines = list(map(str, cells))
        case _:
            lines = _documents(first, second)
    return lines + _other_files(before, now)


def _facts(before: Snapshot, now: Snapshot) -> list[str]:
    """Compare what is not a file: the pin of a repository, the address of a server."""
    fields = ("source", "revision", "root_hash", "servlet", "global_tag")
    pairs = [(field, getattr(before, field), getattr(now, field)) for field in fields]
    return [f"{name}: {old or 'none'} → {new or 'none'}" for name, old, new in pairs if old != new]


def _other_files(before: Snapshot, now: Snapshot) -> list[str]:
    """Compare all but the first file by digest: of the old CMS schema, those of the payloads."""
    old = {file.path: file.digest for file in before.files[1:]}
    new = {file.path: file.digest for file in now.files[1:]}
    lines = []
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            lines.append(f"file {path}: gone (was {short(old[path])})")
        elif path not in old:
            lines.append(f"file {path}: new ({short(new[path])})")
        elif old[path] != new[path]:
            lines.append(f"file {path}: {short(old[path])} → {short(new[path])}")
    return lines


def _databases(first: Path, first_tag: str, second: Path, second_tag: str) -> list[str]:
    lines = []
    with open_index(first) as old_index, open_index(second) as new_index:
        old = {entry.key: entry for entry in old_index.entries(first_tag)}
        new = {entry.key: entry for entry in new_index.entries(second_tag)}
        for key in sorted(old.keys() | new.keys()):
            name = f"{key[0]} [{key[1]}]" if key[1] else key[0]
            if key not in new:
                lines.append(f"{name}: gone (was tag {old[key].tag})")
            elif key not in old:
                lines.append(f"{name}: new, tag {new[key].tag}")
            else:
                if old[key].tag != new[key].tag:
                    lines.append(f"{name}: tag {old[key].tag} → {new[key].tag}")
                lines += [
                    f"{name}: {change}"
                    for change in _intervals(old_index, old[key], new_index, new[key])
                ]
    return lines


def _intervals(
    old_index: ConditionsIndex, old: Entry, new_index: ConditionsIndex, new: Entry
) -> list[str]:
    before = {(i.since, i.until): i.payload for i in old_index.intervals(old)}
    now = {(i.since, i.until): i.payload for i in new_index.intervals(new)}
    kind = new_index.time_type(new)
    lines = []
    for since, until in sorted(before.keys() | now.keys()):
        was, is_now = before.get((since, until)), now.get((since, until))
        if was != is_now:
            span = f"{time_text(since, kind)} to {time_text(until, kind)}"
            lines.append(f"{span}: payload {was or 'none'} → {is_now or 'none'}")
    return lines


def time_text(when: int, kind: str) -> str:
    """Return a time of an interval as people read it."""
    if when >= (1 << 63) - 1:
        return "the end"
    return f"{when >> 32}:{when & 0xFFFFFFFF}" if kind == "Lumi" else str(when)


def _masks(first: Path, second: Path) -> list[str]:
    before, now = read_mask(first).runs, read_mask(second).runs
    lines = []
    for run in sorted(before.keys() | now.keys()):
        was, is_now = list(before.get(run, ())), list(now.get(run, ()))
        if was != is_now:
            lines.append(f"run {run}: {json.dumps(was)} → {json.dumps(is_now)}")
    return lines


def _documents(first: Path, second: Path) -> list[str]:
    """Compare two correctionlib documents by correction."""
    before, now = corrections(first), corrections(second)
    return [
        f"correction {name}: {'new' if name not in before else _gone_or(name, now)}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _gone_or(name: str, now: dict[str, Any]) -> str:
    return "changed" if name in now else "gone"


def corrections(path: Path) -> dict[str, Any]:
    """Return the corrections of a correctionlib document by name."""
    try:
        document = parse_json(read_text(path, limits.JSON_BYTES))
        return {each["name"]: each for each in document["corrections"]}
    except json.JSONDecodeError as error:
        raise SpecificationError(
            f"not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (OSError, UnicodeDecodeError, LimitError, KeyError, TypeError) as error:
        raise SpecificationError(
            f"{path.name} is not a correctionlib document: {error}", place=str(path)
        ) from error

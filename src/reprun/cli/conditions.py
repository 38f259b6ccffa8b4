"""`reprun conditions …`: parse, one call, render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import snapshot_names
from reprun.cli.options import FormatOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.conditions.compare import Files
    from reprun.conditions.snapshot import Snapshot
    from reprun.runs.looked_up import LookedUp, What
    from reprun.store.store import Store

app = typer.Typer(
    help="Conditions: list, show, get, diff, verify, mask.",
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="SNAPSHOT",
        help="Name of a snapshot, or its directory.",
        autocompletion=snapshot_names,
    ),
]


@app.command("list")
def list_snapshots(output_format: FormatOption = "text") -> None:
    """List the snapshots of the project and of its analyses."""
    from reprun.cli.output import answer
    from reprun.conditions.snapshot import load_snapshot

    store = _store()
    rows = [_facts(load_snapshot(directory), store) for _, directory in sorted(_known().items())]
    answer("conditions-list", output_format, {"snapshots": rows}, _list_text(rows))


@app.command()
def show(name: Name, output_format: FormatOption = "text") -> None:
    """Show what a snapshot is and holds."""
    from reprun.cli.output import answer

    snapshot, files = _open(name)
    facts = _facts(snapshot, _store())
    held = _look_up("contents", (snapshot, files)).rows or ()
    document = {"snapshot": facts, "holds": list(held)}
    answer("conditions", output_format, document, _text(facts, held))


@app.command("get")
def get_(
    name: Name,
    run: Annotated[int | None, typer.Option(min=1, help="Run number.")] = None,
    lumi: Annotated[int, typer.Option(min=0, help="Luminosity block.")] = 0,
    record: Annotated[str | None, typer.Option(help="Only this record.")] = None,
    row: Annotated[str | None, typer.Option(help="Of a table: the row.")] = None,
    luminosity: Annotated[
        float | None, typer.Option(min=0, help="In 1/fb: also give the weight of one event.")
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Look up what is in force for a run, or a row of a table."""
    from reprun.cli.output import answer
    from reprun.errors import SpecificationError

    snapshot, files = _open(name)
    if row is not None:
        asked = {"row": row, "luminosity": luminosity}
        found = _look_up("row", (snapshot, files), **asked).rows or ()
    elif run is not None:
        asked = {"run": run, "lumi": lumi, "record": record}
        found = _look_up("in force", (snapshot, files), **asked).rows or ()
    else:
        raise SpecificationError(
            "give --run, or --row for a table", hint="reprun conditions get --help"
        )
    facts = {"snapshot": snapshot.name, "found": list(found)}
    answer("conditions-answer", output_format, facts, map(_line, found))


@app.command()
def diff(before: Name, now: Name, output_format: FormatOption = "text") -> None:
    """Say what differs between two snapshots.

    The exit code is 1 if anything does.
    """
    from reprun.cli.output import answer

    lines = _look_up("differences", _open(before), _open(now)).lines or ()
    facts = {"before": before, "now": now, "differences": list(lines)}
    answer("conditions-differences", output_format, facts, lines or ["no difference"])
    raise typer.Exit(1 if lines else 0)


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAPSHOT…]", help="Default: all of them.", autocompletion=snapshot_names
        ),
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Hash every byte of snapshots; compare CVMFS with its pin."""
    from reprun.cli.output import answer
    from reprun.conditions.mounts import check_revision
    from reprun.wording import count_of

    done, text = [], []
    for name in names or sorted(_known()):
        snapshot, files = _open(name)
        store = _store()
        for file in snapshot.files:
            if files[file.path] == store.blob_path(file.digest):
                store.verify(file.digest)
        if snapshot.kind == "cvmfs":
            check_revision(snapshot)
        done.append({"name": snapshot.name, "files": len(files), "locked": snapshot.hermetic})
        said = f"{count_of(len(files), 'file')} right"
        text.append(f"{snapshot.name}: {said if snapshot.hermetic else 'not locked, a server'}")
    answer("conditions-verification", output_format, {"snapshots": done}, text)


@app.command()
def mask(
    name: Name,
    events: Annotated[Path, typer.Argument(help="CSV table of events.")],
    run_column: Annotated[str, typer.Option("--run-column")] = "Run",
    lumi_column: Annotated[
        str | None, typer.Option(help="Without it only runs are looked at.")
    ] = None,
    luminosity: Annotated[
        Path | None, typer.Option(help="CSV as brilcalc writes it: sum the certified part.")
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Count events before and after a mask of validated runs."""
    from reprun.cli.output import answer
    from reprun.conditions import answers, lumi

    snapshot, files = _open(name)
    with answers.naming(snapshot, files):
        chosen = answers.mask_of(snapshot, files)
    counted = lumi.count_table(chosen, events, run_column, lumi_column)
    facts = {
        "before": counted.before,
        "after": counted.after,
        "luminosity_per_pb": lumi.luminosity(chosen, luminosity) if luminosity else None,
    }
    document = {"snapshot": snapshot.name, "events": str(events), **facts}
    answer("conditions-mask", output_format, document, [_line(facts)])


def _look_up(what: What, *opened: tuple[Snapshot, Files], **asked: Any) -> LookedUp:
    """Ask snapshots something, in a sandbox."""
    from reprun.cli.console import progress_on_stderr
    from reprun.runs import looked_up

    question = looked_up.LookUp(
        what=what, snapshots=tuple(snapshot for snapshot, _ in opened), **asked
    )
    there = [looked_up.Opened(*one) for one in opened]
    return looked_up.look_up(question, there, _store(), progress_on_stderr())


def _list_text(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    from reprun.report.grid import Column, Grid

    cells = [
        (row["name"], row["kind"], " ".join(filter(None, (row["mount"], row["global_tag"]))))
        for row in rows
    ]
    columns = (Column("snapshot"), Column("kind"), Column("mount", prose=True))
    yield Grid(columns, cells, header=False)


def _text(facts: Mapping[str, Any], held: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    from reprun.report.grid import indented

    for field, value in facts.items():
        if value not in (None, [], ""):
            yield indented(str(value), f"{field:<12} ")
    for row in held:
        yield f"  {_line(row)}"


def _places() -> list[Path]:
    from reprun.documents.project import Project

    project = Project.find()
    return [project.root, *map(project.analysis_directory, project.analysis_names())]


def _known() -> dict[str, Path]:
    from reprun.conditions.snapshot import find_snapshots

    return find_snapshots(*_places())


def _only(name: str) -> Path:
    """Return the directory of the one snapshot that is called so."""
    from reprun.conditions.snapshot import find_snapshots, snapshot_directory
    from reprun.errors import SpecificationError
    from reprun.wording import quoted

    several = [found[name] for place in _places() if name in (found := find_snapshots(place))]
    if len(several) > 1:
        listed = "".join(f"\n    {directory}" for directory in several)
        raise SpecificationError(
            f"{len(several)} snapshots are called '{name}':{listed}",
            hint=f"reprun conditions show {quoted(several[0])}   # name the directory",
        )
    return snapshot_directory(name, _known())


def _open(name: str) -> tuple[Snapshot, dict[str, Path]]:
    """Return a snapshot and where its files are, fetched and verified."""
    from reprun.cli.console import progress_on_stderr
    from reprun.conditions.answers import verified_files
    from reprun.conditions.snapshot import DOCUMENT, load_snapshot

    given = Path(name).resolve()
    directory = given if (given / DOCUMENT).is_file() else _only(name)
    snapshot = load_snapshot(directory)
    return snapshot, verified_files(snapshot, directory, _store(), progress_on_stderr())


def _facts(snapshot: Snapshot, store: Store) -> dict[str, Any]:
    return {
        "name": snapshot.name,
        "kind": snapshot.kind,
        "title": snapshot.title,
        "global_tag": snapshot.global_tag,
        "mount": snapshot.mount,
        "licence": snapshot.licence,
        "digest": snapshot.digest,
        "files": len(snapshot.files),
        "here": sum(store.has(file.digest) for file in snapshot.files),
        "hermetic": snapshot.hermetic,
    }


def _store() -> Store:
    from reprun.store.store import Store as Found

    return Found.default()


def _line(row: Mapping[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in row.items() if value not in (None, ""))

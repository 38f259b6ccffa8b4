"""`reprun data …`: parse, one call, render."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from reprun.documents.manifest import Dataset
    from reprun.project import Project
    from reprun.store.collection import Verification
    from reprun.store.store import Store

app = typer.Typer(
    help="Datasets: what there is, and how to fetch, verify, describe and let go of it.",
    no_args_is_help=True,
)

Analysis = Annotated[
    str, typer.Argument(metavar="ANALYSIS", help="Name of an analysis, or its directory.")
]
Chosen = Annotated[str | None, typer.Option("--data", help="Dataset. Default: the analysis's.")]
Rendered = Annotated[
    Literal["text", "json"], typer.Option("--format", help="How the result is printed.")
]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=64, help="Files at a time.")]
Licence = Annotated[str | None, typer.Option(help="Licence, as SPDX writes it.")]


@app.command("list")
def list_datasets(output: Rendered = "text") -> None:
    """List the datasets of all analyses, and how much of each is here."""
    from reprun.data.local import datasets_of

    project, store = _project(), _store()
    rows = [
        {"analysis": analysis, "dataset": name}
        | _facts(dataset, project.analysis_directory(analysis), store)
        for analysis, name, dataset in datasets_of(project)
    ]
    if output == "json":
        _json({"datasets": rows})
        return
    for row in rows:
        licence = row["licence"] or "NO LICENCE"
        typer.echo(
            f"{row['analysis']:<16} {row['dataset']:<12} {row['here']:>5} of {row['files']:<5}"
            f" here {_size(row['size']):>12}  {licence}{_differing(row['differ_from_portal'])}"
        )


@app.command()
def fetch(
    analysis: Analysis, data: Chosen = None, parallel: Parallel = 4, output: Rendered = "text"
) -> None:
    """Fetch and verify a dataset; files known by adler32 alone get their sha256."""
    from reprun.cli.console import progress_on_stderr
    from reprun.data import local

    directory = _project().analysis_directory(analysis)
    done = local.fetch(directory, data, _store(), progress_on_stderr(), parallel=parallel)
    if output == "json":
        facts = {"dataset": done.dataset, "files": done.files, "size": done.size}
        _json(facts | {"pinned": done.pinned})
        return
    typer.echo(f"{done.dataset}: {_files(done.files)}, {_size(done.size)}, verified")
    if done.pinned:
        typer.echo(f"{done.pinned} sha256 added to the manifest; next: reprun lock {analysis}")


@app.command()
def verify(
    analysis: Annotated[
        str | None, typer.Argument(metavar="[ANALYSIS]", help="Without one: the whole store.")
    ] = None,
    data: Chosen = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Files hashed at a time. Default: one a core.")
    ] = None,
    output: Rendered = "text",
) -> None:
    """Hash every byte of a dataset, or of the whole store; what has rotted goes into quarantine."""
    from reprun.cli.console import progress_on_stderr
    from reprun.data import local
    from reprun.documents.analysis import load_analysis
    from reprun.store import collection as keeping

    store, progress = _store(), progress_on_stderr()
    if analysis is None:
        what = "the store"
        found = keeping.verify(store, keeping.stored(store), progress, jobs=jobs)
    else:
        directory = _project().analysis_directory(analysis)
        name, dataset = local.chosen(load_analysis(directory), data)
        what = f"dataset {name}"
        found = local.verify(dataset, directory, store, progress, jobs=jobs)
    _render_verification(found, what, output)
    local.refuse_rot(found, what)
    if found.absent:
        raise _absent(found, what, analysis)


@app.command()
def add(
    analysis: Analysis,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the dataset is called.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of this machine.")],
    title: Annotated[str, typer.Option(help="One line on what it is.")],
    experiment: Annotated[str | None, typer.Option(help="CMS, ATLAS …")] = None,
    record: Annotated[str | None, typer.Option(help="Record on the portal.")] = None,
    doi: Annotated[str | None, typer.Option(help="DOI.")] = None,
    licence: Licence = None,
) -> None:
    """Put files into the store and describe them in `data/NAME.yaml` of the analysis."""
    from reprun.data import local

    directory = _project().analysis_directory(analysis)
    about = {"experiment": experiment, "record": record, "doi": doi, "licence": licence}
    path = local.manifest_path(directory, name)
    if path.exists():
        raise _exists_already(path)
    _write_manifest(local.add(files, title, _store(), about), path, name, f"data/{path.name}")


@app.command("import-record")
def import_record(
    source: Annotated[
        str, typer.Argument(metavar="RECORD", help="Number on the portal, or a file of its JSON.")
    ],
    record: Annotated[
        int | None, typer.Option(help="Which one, where the file holds several.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Manifest to write (.yaml, .json). Default: print it.")
    ] = None,
    licence: Licence = None,
) -> None:
    """Turn a record of the CERN Open Data portal into a manifest."""
    from reprun.data import records
    from reprun.documents.manifest import manifest_text

    number = records.int_of(source)
    if number is not None and record is not None:
        raise typer.BadParameter("--record is for a file that holds several records")
    found = (
        records.record_from_file(Path(source), record)
        if number is None
        else records.record_from_portal(number)
    )
    dataset = records.dataset_of(found, source)
    if licence is not None:
        dataset = dataset.model_copy(update={"licence": licence})
    if to is None:
        typer.echo(manifest_text(dataset, as_json=False), nl=False)
    else:
        _write_manifest(dataset, to, to.stem, _below_its_analysis(to))


@app.command()
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    output: Rendered = "text",
) -> None:
    """Remove data that no lock, manifest or running process names. Images are left alone."""
    from reprun.data.local import documents_of
    from reprun.store import collection as keeping

    done = keeping.collect(_store(), documents_of(_project()), dry_run=dry_run)
    if output == "json":
        _json(
            {
                "removed": list(done.removed),
                "size": done.size,
                "kept": done.kept,
                "forgotten": list(done.forgotten),
                "leftovers": done.leftovers,
            }
        )
        return
    for lock in done.forgotten:
        typer.echo(f"{lock} is gone: what only it named is not kept")
    for digest in done.removed:
        typer.echo(digest)
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{_files(len(done.removed))}, {_size(done.size)} {verb}; {done.kept} kept")


def _below_its_analysis(path: Path) -> str:
    """Return a manifest's path as its analysis.yaml names it."""
    above = (place for place in path.resolve().parents if (place / "analysis.yaml").is_file())
    home = next(above, None)
    return str(path.resolve().relative_to(home)) if home else f"…/{path.name}"


def _exists_already(path: Path) -> Exception:
    from reprun.errors import SpecificationError

    return SpecificationError(f"{path} exists already", place=str(path), hint=f"rm {path}")


def _write_manifest(dataset: Dataset, path: Path, name: str, shown: str) -> None:
    from reprun.documents.manifest import manifest_text
    from reprun.files import write_atomically

    if path.exists():
        raise _exists_already(path)
    write_atomically(path, manifest_text(dataset, as_json=path.suffix == ".json").encode())
    typer.echo(f"{path}: {_files(len(dataset.files))}, {_size(dataset.size)}")
    if dataset.licence is None:
        typer.echo("no licence is named; a bundle will refuse these data until one is", err=True)
    typer.echo(f"name it in analysis.yaml:\n  datasets:\n    {name}: {shown}", err=True)


def _facts(dataset: Dataset, directory: Path, store: Store) -> dict[str, Any]:
    here = [
        (directory / file.path).is_file() or (file.pinned and store.has(file.digest))
        for file in dataset.files
    ]
    return {
        "title": dataset.title,
        "experiment": dataset.experiment,
        "dphep_level": dataset.dphep_level,
        "data_tier": dataset.data_tier,
        "record": dataset.record,
        "doi": dataset.doi,
        "licence": dataset.licence,
        "files": len(dataset.files),
        "here": sum(here),
        "pinned": len(dataset.files) - len(dataset.unpinned),
        "size": dataset.size,
        "events": dataset.events,
        "differ_from_portal": [file.path for file in dataset.files if file.portal],
    }


def _render_verification(found: Verification, what: str, output: str) -> None:
    if output == "json":
        _json(
            {
                "checked": found.checked,
                "size": found.size,
                "rotten": list(found.rotten),
                "absent": list(found.absent),
            }
        )
    else:
        good = found.checked - len(found.rotten)
        typer.echo(f"{what}: {good} of {_files(found.checked)} right, {_size(found.size)} hashed")


def _absent(found: Verification, what: str, analysis: str | None) -> Exception:
    from reprun.errors import InputsGoneError

    return InputsGoneError(
        f"{len(found.absent)} files of {what} are not here",
        hint=f"reprun data fetch {analysis or 'ANALYSIS'}",
    )


def _project() -> Project:
    from reprun.project import Project as Found

    return Found.find()


def _store() -> Store:
    from reprun.store.store import Store as Found

    return Found.default()


def _json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps({"schema_version": 1, **document}, indent=2, ensure_ascii=False))


def _files(number: int) -> str:
    from reprun.wording import count_of

    return count_of(number, "file")


def _differing(paths: list[str]) -> str:
    """Say which files are others than the portal's; the manifest says why."""
    return f"; not the portal's bytes: {', '.join(paths)}" if paths else ""


def _size(count: int) -> str:
    """Return a size as people read it: nothing that is there is 0.0 MB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"

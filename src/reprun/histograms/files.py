"""Files of histograms and tables: which reader a file needs, and names over several files."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_gzip_text, read_text
from reprun.errors import NothingToCompareError, OutputMissingError, did_you_mean
from reprun.files import write_atomically
from reprun.histograms.documents import (
    read_document,
    read_values,
    values_text,
    workspace_digest,
)
from reprun.histograms.event_tables import is_event_table, read_event_table
from reprun.histograms.facts import ANNOTATIONS
from reprun.histograms.hepdata import read_hepdata
from reprun.histograms.model import DataObject, Histogram, Objects, Source, Table, Unread
from reprun.histograms.parquet.files import read_parquet
from reprun.histograms.root.files import open_root, read_root
from reprun.histograms.root.writer import write_root
from reprun.histograms.tables import read_table, table_text
from reprun.histograms.uhi import read_uhi, uhi_text
from reprun.histograms.uhi_containers import read_uhi_hdf5, read_uhi_zip
from reprun.histograms.yoda import read_yoda, yoda_text
from reprun.wording import listed, quoted

UHI_FIELD = '"uhi_schema"'
"""The field that each histogram of UHI JSON begins with, and no other document has."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that is read."""

    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    read: Callable[[Path], Objects]
    """Reads a whole file. Raises OutputMissingError for one that is truncated or malformed."""
    is_table: bool = False
    """The file is one table, called by the file's stem."""
    open: Callable[[Path], Source] | None = None
    """Reads the names, and objects only when they are asked for; None: the file is read whole."""


def _root(path: Path) -> Objects:
    _check_root(path)
    return read_root(path)


def _open_root(path: Path) -> Source:
    _check_root(path)
    return open_root(path)


def _check_root(path: Path) -> None:
    # uproot takes any text for a path or URL and reads what it can of a file that was cut
    # off, so the header is checked first: "root", version, fBEGIN, fEND (8 bytes in large
    # files), https://root.cern.ch/doc/master/classTFile.html
    with path.open("rb") as stream:
        header = stream.read(20)
    what = ""
    if header[:4] != b"root":
        what = "it does not start with 'root'" if header else "it is empty"
    elif len(header) < 20:
        what = "it is truncated"
    else:
        large = int.from_bytes(header[4:8], "big") >= 1_000_000
        end = int.from_bytes(header[12 : 20 if large else 16], "big")
        size = path.stat().st_size
        what = f"it is truncated, {size:,} of {end:,} bytes" if size < end else ""
    if what:
        raise OutputMissingError(
            f"{path.name} is not a readable ROOT file: {what}", place=str(path)
        )


def _json(path: Path) -> Objects:
    text = _text(path)
    return read_uhi(path, stem_of(path), text) if UHI_FIELD in text else read_document(path, text)


def _yoda(path: Path) -> Objects:
    return read_yoda(path, _text(path))


def _packed_yoda(path: Path) -> Objects:
    try:
        text = read_gzip_text(path)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, LimitError) as error:
        raise OutputMissingError(f"cannot read {path.name}: {error}", place=str(path)) from error
    return read_yoda(path, text)


def _yoda_h5(path: Path) -> Objects:
    raise OutputMissingError(
        f"cannot read {path.name}: YODA in HDF5 is not supported",
        place=str(path),
        hint=f"yoda2yoda {quoted(path)} {quoted(path.with_name(stem_of(path) + '.yoda.gz'))}",
    )


def _hepdata(path: Path) -> Objects:
    return read_hepdata(path, stem_of(path), _text)


def _table(path: Path) -> Objects:
    text = _text(path)
    if is_event_table(path, text):
        return Objects({}, {stem_of(path): read_event_table(path, text)})
    table = read_table(path, stem_of(path), text)
    return Objects({table.name: table})


def _parquet(path: Path) -> Objects:
    return read_parquet(path, stem_of(path))


def _text(path: Path) -> str:
    try:
        return read_text(path, limits.TEXT_BYTES)
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise OutputMissingError(f"cannot read {path.name}: {error}", place=str(path)) from error


FORMATS: tuple[Format, ...] = (
    Format((".root",), _root, open=_open_root),
    Format((".json",), _json),
    Format((".csv",), _table, is_table=True),
    Format((".parquet",), _parquet, is_table=True),
    Format((".yoda",), _yoda),
    Format((".yoda.gz",), _packed_yoda),
    Format((".yoda.h5",), _yoda_h5),
    Format((".yaml", ".yml"), _hepdata),
    Format((".zip",), read_uhi_zip),
    Format((".h5", ".hdf5"), read_uhi_hdf5),
)
"""Every format that is read: the one place a new one is added to (CONTRIBUTING.md)."""


def _format_of(path: Path) -> Format | None:
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffixes)), None)


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffix, both parts of `.yoda.gz`."""
    found = _format_of(path)
    endings = found.suffixes if found else ()
    known = [ending for ending in endings if path.name.lower().endswith(ending)]
    return path.name[: -len(known[0])] if known and path.name != known[0] else path.stem


def _is_table(path: Path) -> bool:
    found = _format_of(path)
    return found is not None and found.is_table


def readable(path: Path) -> bool:
    """Say whether a reader exists for files of this suffix."""
    return _format_of(path) is not None


def read_objects(path: Path) -> Objects:
    """Read one file; it may hold nothing, which the caller judges.

    The suffix chooses the reader: `.root`, `.json` (UHI, or any other document), `.yoda` or
    `.yoda.gz`, `.yaml` (a HEPData submission or table), `.zip` or `.h5` (UHI), or `.csv` or
    `.parquet` (a table, called by the file's stem). Raises OutputMissingError if the file is
    missing, which names the nearest file beside it, or is truncated or of no known kind.
    """
    _check_file(path)
    found = _format_of(path)
    if found is None:
        known = ", ".join(sorted(suffix for each in FORMATS for suffix in each.suffixes))
        if not path.suffix:
            raise OutputMissingError(
                f"{path.name} has no suffix that says what it holds, such as {known}",
                place=str(path),
            )
        raise OutputMissingError(
            f"{path.name}: no reader for '{path.suffix}' files (there is one for {known})",
            place=str(path),
        )
    return found.read(path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise OutputMissingError(f"{path.name} is a directory, not a file", place=str(path))
    if not path.is_file():
        raise OutputMissingError(
            f"{path.name} does not exist{did_you_mean(path.name, _neighbours(path))}",
            place=str(path),
        )


def published_digest(path: Path) -> str | None:
    """Return the digest by which a file's own format knows it, as pyhf does; None without one."""
    if path.suffix.lower() != ".json" or UHI_FIELD in (text := _text(path)):
        return None
    return workspace_digest(path, text)


def _neighbours(path: Path) -> list[str]:
    """Return the names of the files next to a missing one; none of a directory not readable."""
    try:
        return sorted(each.name for each in path.parent.iterdir() if each.is_file())
    except OSError:
        return []


def open_objects(path: Path) -> Source:
    """Return what one file holds; ROOT files are decoded only as far as it is asked for.

    Raises what `read_objects` does, and NothingToCompareError for a file that holds nothing.
    """
    found = _format_of(path)
    if found is None or found.open is None or not path.is_file():
        return read_all([path], path.parent)
    source = found.open(path)
    if not source.names:
        raise NothingToCompareError(_nothing([path]))
    return source


def read_all(paths: Iterable[Path], root: Path, *, documents: Iterable[Path] = ()) -> Objects:
    """Read several files into one set of names.

    Tables are called by the stem of their file. With one histogram file its objects keep
    their own names; with more, `stem/` stands before each (the path below `root` without
    suffix where two stems are equal). Values of `documents`, JSON whatever is in them, have the
    name of their file before their path: `limits.json:/expected/2`.

    Raises OutputMissingError for a file that cannot be read or a name that is duplicated,
    NothingToCompareError if there is nothing in all of them.
    """
    files = list(paths)
    prefixes = _prefixes([path for path in files if not _is_table(path)], root)
    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    for path, objects in [*_read(files, prefixes), *_read_documents(list(documents), root)]:
        for name in objects.names:
            if name in found or name in unread:
                raise OutputMissingError(
                    f"the name '{name}' in {path.name} is in another file too",
                    place=str(path),
                )
        found |= objects.by_name
        unread |= objects.unread
    if not (found or unread):
        raise NothingToCompareError(_nothing(files))
    return Objects(found, unread)


def _read(files: Sequence[Path], prefixes: Mapping[Path, str]) -> Iterator[tuple[Path, Objects]]:
    for path in files:
        objects = read_objects(path)
        prefix = prefixes.get(path)
        yield path, objects.prefixed(prefix) if prefix else objects


def _read_documents(files: Sequence[Path], root: Path) -> Iterator[tuple[Path, Objects]]:
    for name, path in _document_names(files, root).items():
        _check_file(path)
        found = read_document(path, _text(path))
        yield path, found.taking({f"{name}:{value}": value for value in found.names})


def _document_names(files: Sequence[Path], root: Path) -> dict[str, Path]:
    """Return documents by the names of their files, with directories where those are equal."""
    count = Counter(path.name for path in files)
    return {
        path.name if count[path.name] == 1 else _below(path, root).as_posix(): path
        for path in files
    }


def file_of(
    name: str, paths: Iterable[Path], root: Path, *, documents: Iterable[Path] = ()
) -> Path | None:
    """Return the file that `read_all` has an object of this name from, or would have.

    None for a name that none of the files can hold.
    """
    for document, path in _document_names(list(documents), root).items():
        if name.startswith(f"{document}:"):
            return path
    files = list(paths)
    tables = {stem_of(path): path for path in files if _is_table(path)}
    for called in (name, name.removesuffix(ANNOTATIONS)):
        if called in tables:
            return tables[called]
    others = [path for path in files if not _is_table(path)]
    if len(others) == 1:
        return others[0]
    fitting = {
        prefix: path
        for path, prefix in _prefixes(others, root).items()
        if name.startswith(f"{prefix}/")
    }
    return fitting[max(fitting, key=len)] if fitting else None


def write_histograms(path: Path, histograms: Iterable[Histogram]) -> None:
    """Write histograms by the suffix: `.root`, `.yoda`, or UHI JSON, the format of references.

    Raises StorageError, also for what the format has no place for.
    """
    if path.suffix.lower() == ".root":
        write_root(path, histograms)
    else:
        text = yoda_text(histograms) if path.suffix == ".yoda" else uhi_text(histograms)
        write_atomically(path, text.encode())


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV. Raises StorageError."""
    write_atomically(path, table_text(table).encode())


def read_reference_values(path: Path) -> Objects:
    """Read what `write_values` wrote; nothing where it is not there. Raises OutputMissingError."""
    return read_values(path, _text(path)) if path.is_file() else Objects()


def write_values(path: Path, values: Mapping[str, Table]) -> None:
    """Write values of documents by name as JSON. Raises StorageError."""
    write_atomically(path, values_text(values).encode())


def _prefixes(files: Sequence[Path], root: Path) -> dict[Path, str]:
    if len(files) < 2:
        return {}
    stems = Counter(map(stem_of, files))
    return {
        path: stem_of(path)
        if stems[stem_of(path)] == 1
        else _below(path, root).with_name(stem_of(path)).as_posix()
        for path in files
    }


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _nothing(files: Sequence[Path]) -> str:
    return f"no histogram and no other object in {listed(path.name for path in files) or 'no file'}"

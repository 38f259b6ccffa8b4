"""Dataset manifests: which files, which bytes, where they come from, under which licence."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from reprun.documents.reading import Document, InsidePath, Name, Sha256, read_document, validated
from reprun.documents.validation import ADLER32
from reprun.errors import SpecificationError
from reprun.wording import count_of, size_of

SCHEMES = ("https", "http", "root", "file")


def _source(uri: str) -> str:
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES or not uri.isprintable():
        raise ValueError(f"'{uri}' is not a source: write {', '.join(SCHEMES[:-1])} or file URIs")
    return uri


Uri = Annotated[str, AfterValidator(_source)]
Adler32 = Annotated[str, Field(pattern=ADLER32)]
Size = Annotated[int, Field(ge=0)]


class PortalCopy(Document):
    """What the portal publishes of a file whose bytes here are others."""

    size: Size
    """Bytes of the portal's copy."""
    adler32: Adler32
    """Adler-32 the portal publishes, 8 hexadecimal digits in quotes."""


class Whole(Document):
    """What a dataset is a part of, as its record states it."""

    files: Size | None = None
    """Files of the whole record."""
    size: Size | None = None
    """Bytes of the whole record."""


class DataFile(Document):
    """One file of a dataset: where it is in the workspace, what its bytes are, its sources.

    `sha256` pins a file. A file just imported from a record has none, for the portal publishes
    only size and adler32: it can be fetched, which adds the sha256, but no analysis runs on it
    before that.
    """

    path: InsidePath
    """Where the file is in the workspace."""
    size: Size
    """Bytes."""
    sha256: Sha256 | None = None
    """SHA-256 of the bytes; what pins the file. `reprun data fetch` adds it where it is missing."""
    adler32: Adler32 | None = None
    """Adler-32, 8 hexadecimal digits in quotes, as the portal publishes it; checked as well."""
    uris: tuple[Uri, ...] = ()
    """Sources: https, http, root or file URIs. root:// ones are tried last."""
    mirror_path: InsidePath | None = None
    """Where the file is below each directory or URL of REPRUN_MIRRORS."""
    events: Size | None = None
    """Events in the file, for people."""
    portal: PortalCopy | None = None
    """The portal's copy of this file, where it differs from the bytes that are used."""
    note: str | None = None
    """What a reader must know, e.g. why the local bytes differ from the portal's."""

    @property
    def pinned(self) -> bool:
        """Whether the sha256 is known."""
        return self.sha256 is not None

    @property
    def digest(self) -> str:
        """`sha256:<hex>`; of a file that is not pinned yet `adler32:<hex>+<size>`."""
        if self.sha256 is None:
            return f"adler32:{self.adler32}+{self.size}"
        return "sha256:" + self.sha256.removeprefix("sha256:")

    @model_validator(mode="after")
    def _known_bytes(self) -> DataFile:
        if self.sha256 is None and self.adler32 is None:
            raise ValueError(f"'{self.path}' needs a sha256, or the adler32 of its record")
        if self.portal is not None and not self.note:
            raise ValueError(f"'{self.path}' differs from the portal's copy: say in `note` why")
        if self.portal is not None and self.portal == PortalCopy(
            size=self.size, adler32=self.adler32 or "00000000"
        ):
            raise ValueError(f"'{self.path}' does not differ from the portal's copy: drop `portal`")
        return self


class Dataset(Document):
    """Files that belong together, with their record and licence."""

    schema_version: Literal[1] = 1
    """The version of this format."""
    name: Name | None = None
    """A name, for people; the analysis names its datasets itself."""
    title: str
    """One line on what it is."""
    experiment: str | None = None
    """CMS, ATLAS, LHCb …"""
    dphep_level: str | None = None
    """Level in the DPHEP scale, 1 to 4."""
    data_tier: str | None = None
    """AOD, MINIAOD, NANOAOD, DAOD_PHYSLITE, csv …"""
    record: str | None = None
    """Number of the record on the CERN Open Data portal, in quotes."""
    doi: str | None = None
    """DOI."""
    licence: str | None = None
    """Licence, as SPDX writes it. Without one the data can be used here, but not bundled."""
    acknowledgement: str | None = None
    """The text of thanks or the citation its owners ask for."""
    events: Size | None = None
    """Events in all files, for people."""
    part_of: Whole | None = None
    """The extent of the whole record, where these files are only a part of it."""
    files: Annotated[tuple[DataFile, ...], Field(min_length=1)]
    """The files."""

    @field_validator("files", mode="after")
    @classmethod
    def _every_file_has_a_place_of_its_own(
        cls, files: tuple[DataFile, ...]
    ) -> tuple[DataFile, ...]:
        paths: set[str] = set()
        for file in files:
            if file.path in paths:
                raise ValueError(f"the path '{file.path}' is duplicated")
            paths.add(file.path)
        for file in files:
            for parent in map(str, PurePosixPath(file.path).parents):
                if parent in paths:
                    raise ValueError(f"'{parent}' is a file, so '{file.path}' cannot be below it")
        return files

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def part(self) -> str | None:
        """What part of its record this is, None for all of it."""
        if self.part_of is None:
            return None
        if self.part_of.files is not None:
            return f"{len(self.files):,} of {count_of(self.part_of.files, 'file')} of the record"
        return f"{size_of(self.size)} of {size_of(self.part_of.size or 0)} of the record"

    @property
    def unpinned(self) -> tuple[DataFile, ...]:
        """The files whose sha256 is not known yet."""
        return tuple(file for file in self.files if not file.pinned)


def load_manifest(path: Path) -> Dataset:
    """Read a manifest; raises SpecificationError with file, line and field of the first fault."""
    document, lines = read_document(path)
    return validated(Dataset, document, path, lines)


def manifest_text(dataset: Dataset, *, as_json: bool) -> str:
    """Return a manifest as it is written: YAML for people, JSON for thousands of files."""
    import yaml  # noqa: PLC0415 - only to write

    document = dataset.model_dump(mode="json", exclude_defaults=True)
    document = {"schema_version": 1, **document}
    if as_json:
        import json  # noqa: PLC0415 - as above

        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=96)


def with_digests(text: str, path: Path, digests: dict[str, str]) -> str:
    """Return a manifest's text with the sha256 of files that had none; comments stay.

    Raises SpecificationError when the text is of a form in which no line can be added.
    """
    before = load_manifest(path)
    files = tuple(
        file.model_copy(update={"sha256": digests[file.path].removeprefix("sha256:")})
        if file.path in digests
        else file
        for file in before.files
    )
    wanted = before.model_copy(update={"files": files})
    if path.suffix == ".json":
        return manifest_text(wanted, as_json=True)
    _, lines = read_document(path)
    rows = text.splitlines(keepends=True)
    for index in reversed(range(len(before.files))):
        if files[index] is before.files[index]:
            continue
        at = lines["files", index, "adler32"] - 1
        found = re.match(r"^( *)(- )?adler32:", rows[at])
        if found is None:
            raise SpecificationError(
                f"cannot add the sha256 of {files[index].path}: write each field on its own line",
                place=f"{path}:{at + 1}",
            )
        indent = " " * len(found[0].removesuffix("adler32:"))
        rows[at] = rows[at].rstrip("\n") + "\n"
        rows.insert(at + 1, f"{indent}sha256: {files[index].sha256}\n")
    return "".join(rows)

"""Which licence a locked package or wheel has, from what lies inside it.

Debian packages say it in `usr/share/doc/<package>/copyright`: machine-readable since DEP-5
(https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/), free text before. Wheels
say it in their METADATA: License-Expression, or License, or classifiers. Where neither gives a
short honest answer the lock says where to read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from email.parser import BytesHeaderParser
from pathlib import Path

from reprun.images.archives.archive import WheelArchive, deb_tar, tar_reader
from reprun.images.archives.tree import inner_path
from reprun.images.catalogue.lockfiles import UNKNOWN_LICENCE, DebEntry, WheelEntry
from reprun.store.store import Store

UNKNOWN_WHEEL_LICENCE = "see its files"
LONGEST = 60
DOCUMENTATION = "usr/share/doc"

_FORMAT = re.compile(r"^Format(?:-Specification)?:\s*\S*copyright-format", re.MULTILINE)
_LICENSE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)
_CLASSIFIER = "License :: "


def with_deb_licences(debs: Iterable[DebEntry], store: Store) -> tuple[DebEntry, ...]:
    """Return the packages with the licences their copyright files name."""
    entries = tuple(debs)
    texts = {deb.name: _copyright(deb, store.verified(deb.digest)) for deb in entries}
    return tuple(replace(deb, licence=deb_licence(_followed(deb.name, texts))) for deb in entries)


def with_wheel_licences(wheels: Iterable[WheelEntry], store: Store) -> tuple[WheelEntry, ...]:
    """Return the wheels with the licences their METADATA name."""
    return tuple(
        replace(wheel, licence=wheel_licence(_metadata(wheel, store.verified(wheel.digest))))
        for wheel in wheels
    )


def deb_licence(copyright_text: str) -> str:
    """Return the licences of a machine-readable copyright file, else `see copyright`."""
    if not _FORMAT.search(copyright_text):
        return UNKNOWN_LICENCE
    names = {" ".join(name.split()) for name in _LICENSE.findall(copyright_text)}
    return ", ".join(sorted(filter(_is_plain, names))) or UNKNOWN_LICENCE


def wheel_licence(metadata: bytes) -> str:
    """Return the licence a wheel's METADATA names, else `see its files`."""
    fields = BytesHeaderParser().parsebytes(metadata)
    for key in ("License-Expression", "License"):
        value = str(fields.get(key, "")).strip()
        if _is_plain(value) and len(value) <= LONGEST and value.upper() != "UNKNOWN":
            return value
    classifiers: Sequence[str] = [str(each) for each in fields.get_all("Classifier", [])]
    names = sorted(
        each.rpartition(" :: ")[2] for each in classifiers if each.startswith(_CLASSIFIER)
    )
    plain = [name for name in names if _is_plain(name)]
    return ", ".join(plain) or UNKNOWN_WHEEL_LICENCE


def _is_plain(text: str) -> bool:
    return bool(text) and text.isprintable() and text.split() == text.split(" ")


def _followed(name: str, texts: Mapping[str, tuple[str, str]]) -> str:
    """Return a package's copyright; its directory may be a link to another package's."""
    text, link = texts[name]
    return text or texts.get(link, ("", ""))[0]


def _copyright(deb: DebEntry, path: Path) -> tuple[str, str]:
    """Return the copyright file's text, or the package whose one it links to."""
    home = f"{DOCUMENTATION}/{deb.name}"
    with path.open("rb") as stream, deb_tar(stream, "data", deb.filename) as tar:
        for member in tar:
            name = inner_path(member.name, archive=deb.filename)
            if name == f"{home}/copyright" and member.isfile():
                return tar_reader(tar, member)(member.size).decode("utf-8", "replace"), ""
            if name in (home, f"{home}/copyright") and member.issym():
                parts = member.linkname.removesuffix("/copyright").split("/")
                return "", parts[-1]
    return "", ""


def _metadata(wheel: WheelEntry, path: Path) -> bytes:
    archive = WheelArchive(path, wheel.filename)
    try:
        return archive.read(f"{archive.dist_info}/METADATA")
    finally:
        archive.close()

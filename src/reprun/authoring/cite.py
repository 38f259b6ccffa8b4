"""What to cite for an analysis: its data, its software, thanks and disclaimer, also as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from reprun import __version__
from reprun.documents.analysis import Analysis, Citation
from reprun.documents.reading import read_document, validated
from reprun.documents.selection import Selection
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.lockfiles import read_wheels
from reprun.images.catalogue.releases import root_release

FACTS = Path(__file__).parent / "software.yaml"
PORTAL = "https://opendata.cern.ch/record/"
COLLABORATIONS = ("ALICE", "ATLAS", "CMS", "LHCb")


class Program(Citation):
    """A row of software.yaml: what is cited for a program."""

    name: str
    packages: tuple[str, ...] = ()
    """Its names in wheels.lock."""
    host: str | None = None
    """Its name as a package beside reprun, outside the images."""
    checked: str
    """Where the facts were read."""


@dataclass(frozen=True, slots=True)
class Citing:
    """What to cite, in the order in which it is told."""

    analysis: Analysis
    variant: str
    images: tuple[str, ...]
    data: tuple[Citation, ...]
    software: tuple[Citation, ...]
    uncited: tuple[str, ...]
    """Programs that the image was asked for and that no checked citation is known of."""
    acknowledgements: tuple[str, ...]
    disclaimer: str

    @property
    def all(self) -> tuple[Citation, ...]:
        """Data and software."""
        return self.data + self.software


def cite(selection: Selection) -> Citing:
    """Return what to cite for an analysis in one of its variants."""
    analysis = selection.analysis
    images = tuple(dict.fromkeys(selection.chosen.all_images.values()))
    programs, uncited = _programs(images, Catalogue.of(selection.project))
    told = {doi for each in programs for doi in split(each.doi)}
    # A program that the analysis names is told once, where its version is known.
    data = tuple(
        each
        for each in (*analysis.citations, *_of_datasets(analysis))
        if not set(split(each.doi)) & told
    )
    thanks = [each.acknowledgement for each in analysis.citations]
    thanks += [each.acknowledgement for each in analysis.datasets.values()]
    return Citing(
        analysis=analysis,
        variant=selection.variant,
        images=images,
        data=data,
        software=programs,
        uncited=uncited,
        acknowledgements=tuple(dict.fromkeys(" ".join(t.split()) for t in thanks if t)),
        disclaimer=_disclaimer(analysis),
    )


def _of_datasets(analysis: Analysis) -> list[Citation]:
    """Return a citation for each record or DOI of a dataset that the analysis's own leave out."""
    known = {identifier for each in analysis.citations for identifier in _identifiers(each)}
    found: list[Citation] = []
    for dataset in analysis.datasets.values():
        named = split(dataset.doi) or split(dataset.record)
        if set(named) & known or (not named and known):
            known |= set(named)
            continue
        experiment = dataset.experiment or analysis.experiment
        for index, identifier in enumerate(named or [""]):
            is_doi = identifier.startswith("10.")
            records = split(dataset.record)
            record = records[index] if len(records) == max(len(named), 1) else dataset.record
            found.append(
                Citation(
                    title=dataset.title,
                    authors=collaboration(experiment) if identifier else (),
                    doi=identifier if is_doi else None,
                    record=record,
                    licence=dataset.licence,
                )
            )
        known |= set(named)
    return found


def _identifiers(citation: Citation) -> list[str]:
    return split(citation.doi) + split(citation.record)


def split(text: str | None) -> list[str]:
    """Return the parts of a field that may name several, separated by commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def collaboration(experiment: str) -> tuple[str, ...]:
    """Return the author of an experiment's data."""
    named = next((c for c in COLLABORATIONS if c.lower() == experiment.strip().lower()), None)
    return (f"{named} Collaboration",) if named else ()


def _programs(
    images: Iterable[str], catalogue: Catalogue
) -> tuple[tuple[Citation, ...], tuple[str, ...]]:
    """Return citations of reprun, Snakemake and what the images hold; what has none beside."""
    known = programs()
    found = [
        Citation(
            kind="software",
            title="reprun: reproducible LHC open-data analyses",
            authors=("The reprun developers",),
            version=__version__,
            licence="MIT",
        )
    ]
    found += [
        _with_version(each, f"{each.host} {metadata.version(each.host)}")
        for each in known
        if each.host is not None
    ]
    uncited: dict[str, None] = {}
    for name in images:
        if catalogue.is_external(name):
            uncited[f"image {name} ({catalogue.external(name).title})"] = None
            continue
        definition = catalogue.definition(name)
        wheels = {wheel.name: wheel.version for wheel in read_wheels(definition.wheels_lock)}
        cited: set[str] = set()
        for each in known:
            there = [package for package in each.packages if package in wheels]
            cited |= set(there)
            # Wheels of ROOT are numbered otherwise than ROOT, which the image is called after.
            found += [
                _with_version(
                    each,
                    f"{root_release(wheels)}, in image {name}"
                    if p == "root"
                    else f"{p} {wheels[p]}",
                )
                for p in there[:1]
            ]
        for wanted in definition.requirements:
            package = re.split(r"[=<>~! \[]", wanted)[0].replace(".", "-").lower()
            if package in wheels and package not in cited:
                uncited[f"{package} {wheels[package]}"] = None
    return _merged(found), tuple(uncited)


def _merged(citations: Iterable[Citation]) -> tuple[Citation, ...]:
    """Return each work once, with every version of it that the images hold."""
    versions: dict[Citation, dict[str, None]] = {}
    for each in citations:
        work = each.model_copy(update={"version": None})
        versions.setdefault(work, {})[each.version or ""] = None
    return tuple(
        work.model_copy(update={"version": ", ".join(filter(None, several)) or None})
        for work, several in versions.items()
    )


def programs() -> tuple[Program, ...]:
    """Return the rows of software.yaml."""
    rows, lines = read_document(FACTS)
    return tuple(
        validated(Program, row, FACTS, {k[1:]: n for k, n in lines.items() if k[:1] == (number,)})
        for number, row in enumerate(rows)
    )


def _with_version(program: Program, version: str) -> Citation:
    facts = program.model_dump(exclude={"name", "packages", "host", "checked"})
    return Citation.model_validate({**facts, "version": version})


def _disclaimer(analysis: Analysis) -> str:
    """Say in our own words who has not endorsed the work."""
    experiments = [analysis.experiment, *(d.experiment or "" for d in analysis.datasets.values())]
    named = sorted({name for each in experiments for name in collaboration(each)})
    who = f"the {' and the '.join(named)}" if named else "those who released the data"
    if not analysis.datasets and not named:
        return "This analysis uses no data of an experiment, and is the work of its authors alone."
    cern = " nor CERN" if named else ""
    neither = "Neither" if named else "None of"
    verb = "has" if named else "have"
    return (
        f"This analysis and its results are the work of its authors alone. {neither} {who}{cern} "
        f"{verb} checked or endorsed them."
    )


# -- rendered ---------------------------------------------------------------------------------


def document(citing: Citing) -> Mapping[str, Any]:
    """Return all of it as JSON has it."""
    return {
        "analysis": citing.analysis.name,
        "variant": citing.variant,
        "images": list(citing.images),
        "data": [each.model_dump(mode="json", exclude_none=True) for each in citing.data],
        "software": [each.model_dump(mode="json", exclude_none=True) for each in citing.software],
        "no_citation_known": list(citing.uncited),
        "acknowledgements": list(citing.acknowledgements),
        "disclaimer": citing.disclaimer,
    }


def sentence(citation: Citation) -> str:
    """Return a citation on one line."""
    authors = [each for each in citation.authors if each != "others"]
    et_al = " et al." if len(authors) > 3 or len(authors) < len(citation.authors) else ""
    names = ("; ".join(authors[:1] if len(authors) > 3 else authors)) + et_al
    place = " ".join(filter(None, [citation.journal, citation.volume, citation.pages]))
    year = f"({citation.year})" if citation.year else ""
    # A program that is called as its package needs no title besides name and version.
    title = "" if (citation.version or "").startswith(f"{citation.title} ") else citation.title
    parts = [title, citation.version or "", place]
    last = max((n for n, part in enumerate(parts) if part), default=0)
    parts[last] = f"{parts[last]} {year}".strip()
    parts = [names, *parts]
    parts += [f"record {each}" for each in split(citation.record)]
    parts += [f"doi:{each}" for each in split(citation.doi)]
    parts += [citation.licence or ""]
    return ", ".join(part for part in parts if part)


ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u ",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r ",
    "\u030b": "H ",
    "\u030c": "v ",
    "\u0327": "c ",
    "\u0328": "k ",
}
LETTERS = {"ß": "{\\ss}", "ø": "{\\o}", "Ø": "{\\O}", "ł": "{\\l}", "Ł": "{\\L}", "æ": "{\\ae}"}
LETTERS |= {
    "\u2013": "--",
    "\u2014": "---",
    "\u2192": "$\\to$",
    "\u2113": "$\\ell$",
    "\u03bc": "$\\mu$",
}
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
# BibTeX counts braces, escaped or not.
SPECIAL |= {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"}
SPECIAL |= {"^": r"\textasciicircum{}", **{each: f"\\{each}" for each in "&%$#_"}}


def bibtex(citing: Citing) -> str:
    """Return a .bib file: one entry for each DOI or citation, in plain ASCII where TeX has it."""
    head = f"% What to cite for {citing.analysis.name}, variant {citing.variant}: reprun cite\n"
    entries: list[str] = []
    keys: set[str] = set()
    for citation in citing.all:
        fields = _fields(citation)
        key = _key(citation, keys)
        keys.add(key)
        kind = "article" if citation.journal else "misc"
        body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
        entries.append(f"@{kind}{{{key},\n{body}}}\n")
    return head + "\n" + "\n".join(entries)


def _fields(citation: Citation) -> dict[str, str]:
    records = [f"record {each}" for each in split(citation.record)]
    notes = [*records, citation.version or "", citation.licence or ""]
    notes += [f"doi:{each}" for each in split(citation.doi)[1:]]
    doi = split(citation.doi)[:1]
    url = [f"{PORTAL}{r}" for r in split(citation.record)[:1] if r.isdecimal()] if not doi else []
    fields = {
        "author": " and ".join(_author(each) for each in citation.authors),
        # In braces: BibTeX styles would make small letters of names such as CMS.
        "title": f"{{{tex(citation.title)}}}",
        "journal": tex(citation.journal or ""),
        "volume": tex(citation.volume or ""),
        "number": tex(citation.number or ""),
        "pages": tex(citation.pages or "").replace("-", "--"),
        "year": str(citation.year or ""),
        "doi": "".join(doi),
        "url": "".join(url),
        "note": tex(", ".join(note for note in notes if note)),
    }
    return {name: value for name, value in fields.items() if value}


def _author(name: str) -> str:
    if name == "others":
        return name
    # Without a comma it is a group, whose last word is not a surname.
    return tex(name) if "," in name else f"{{{tex(name)}}}"


def tex(text: str) -> str:
    """Return a text as TeX takes it: accents as commands, special characters escaped."""
    out = []
    for character in unicodedata.normalize("NFC", " ".join(text.split()).replace("\xb5", "\u03bc")):
        apart = unicodedata.normalize("NFD", character)
        base, marks = apart[0], apart[1:]
        if character in SPECIAL:
            out.append(SPECIAL[character])
        elif character in LETTERS:
            out.append(LETTERS[character])
        elif len(marks) == 1 and marks in ACCENTS and base.isascii():
            out.append(f"{{\\{ACCENTS[marks]}{base}}}")
        else:
            out.append(character)
    return "".join(out)


def _key(citation: Citation, taken: set[str]) -> str:
    """Return a key of letters, digits, colons and dashes that no other entry has."""
    words = re.findall(r"[A-Za-z0-9]+", _ascii(citation.title))
    surnames = [name.partition(",")[0] for name in citation.authors if "," in name]
    records = split(citation.record)
    parts = [
        *(["record", *records[:1]] if records else []),
        *(re.sub(r"[^A-Za-z]", "", _ascii(name)) for name in surnames[:1] if not records),
        *(words[:1] if not records else []),
        str(citation.year or ""),
    ]
    key = ":".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts if part) or "entry"
    number = 1
    while key + (f"-{number}" if number > 1 else "") in taken:
        number += 1
    return key + (f"-{number}" if number > 1 else "")


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()

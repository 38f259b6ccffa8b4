"""`reprun cite`: what is cited, and that TeX and machines can read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.authoring import cite as citing
from reprun.authoring.cite import Citing, bibtex, cite, document, programs, sentence, tex
from reprun.documents.analysis import Analysis, Citation
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.errors import SpecificationError
from tests.unit import builders

ENTRY = re.compile(r"@(?P<kind>[a-z]+)\{(?P<key>[A-Za-z0-9:.-]+),\n(?P<fields>(?:  .*\n)+)\}\n")
FIELD = re.compile(r"  (?P<name>[a-z]+) = \{(?P<value>.*)\},\n")

PROJECT = read_project(Path(__file__).resolve().parents[2])


def parsed(text: str) -> dict[str, dict[str, str]]:
    """Read a .bib file as BibTeX would, and refuse what it would refuse."""
    head, _, rest = text.partition("\n\n")
    assert head.startswith("% ")
    entries: dict[str, dict[str, str]] = {}
    position = 0
    while position < len(rest):
        found = ENTRY.match(rest, position)
        assert found, f"no entry at {rest[position : position + 80]!r}"
        assert found["key"] not in entries
        fields = {field["name"]: field["value"] for field in FIELD.finditer(found["fields"])}
        assert len(fields) == found["fields"].count("\n")
        for value in fields.values():
            assert balanced(value), value
        entries[found["key"]] = fields
        position = found.end() + (1 if rest[found.end() : found.end() + 1] == "\n" else 0)
    return entries


def balanced(value: str) -> bool:
    """Tell whether braces match: BibTeX counts those that are escaped, too."""
    depth = 0
    for character in value:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def made(*data: Citation, software: tuple[Citation, ...] = (), **changes: Any) -> Citing:
    analysis = builders.analysis(**changes)
    return Citing(analysis, "columnar", ("columnar",), data, software, (), (), "Nobody.")


# -- the real analysis ------------------------------------------------------------------------


def test_the_higgs_analysis() -> None:
    found = cite(select(PROJECT, "cms-h4l"))
    said = {each.doi: each for each in found.all}
    assert said["10.7483/OPENDATA.CMS.YGG7.333M"].record == "5200"
    assert said["10.1038/s41586-020-2649-2"].version == "numpy 2.4.6"
    assert said["10.12688/f1000research.29032.2"].year == 2021
    assert "10.1016/S0168-9002(97)00048-X" not in said  # ROOT is not in that image
    assert {name.split()[0] for name in found.uncited} == {"correctionlib", "pyarrow"}
    assert any(
        thanks.startswith("We thank the CMS Collaboration") for thanks in found.acknowledgements
    )
    assert "Neither the CMS Collaboration nor CERN" in found.disclaimer
    entries = parsed(bibtex(found))
    assert len(entries) == len(found.all)
    assert entries["Molder:Sustainable:2021"]["author"].startswith(r"M{\"o}lder, F. and Jablonski")
    assert json.loads(json.dumps(document(found)))["analysis"] == "cms-h4l"


def test_an_unknown_variant() -> None:
    with pytest.raises(SpecificationError, match="mean 'columnar'"):
        cite(select(PROJECT, "cms-h4l", variant="colunmar"))


def test_every_fact_has_its_source() -> None:
    rows = programs()
    assert {"ROOT", "uproot", "NumPy", "Pythia 8", "FastJet", "HepMC3"} <= {r.name for r in rows}
    for row in rows:
        assert row.checked
        assert row.doi
        assert row.authors
        assert bool(row.packages) != bool(row.host)
        assert row.kind != "article" or (row.journal and row.year)
    assert len({row.doi for row in rows}) == len(rows)
    parsed(bibtex(made(software=rows)))


# -- data -------------------------------------------------------------------------------------


def dataset(**facts: Any) -> dict[str, Any]:
    file = {"path": "data/a.csv", "size": 1, "sha256": "a" * 64}
    return {"title": "Some data", "files": [file], **facts}


def of_datasets(*datasets: dict[str, Any], **changes: Any) -> list[Citation]:
    named = {f"d{number}": each for number, each in enumerate(datasets)}
    analysis = builders.analysis(datasets=named, **changes)
    return citing._of_datasets(analysis)


def test_datasets_are_cited_where_the_analysis_does_not() -> None:
    (one,) = of_datasets(dataset(doi="10.1/a", record="5", experiment="atlas", licence="CC0-1.0"))
    assert one.authors == ("ATLAS Collaboration",)
    assert (one.doi, one.record, one.licence) == ("10.1/a", "5", "CC0-1.0")
    cited = [{"title": "t", "doi": "10.1/a"}]
    assert of_datasets(dataset(doi="10.1/a"), citations=cited) == []
    assert [each.doi for each in of_datasets(dataset(doi="10.1/b"), citations=cited)] == ["10.1/b"]
    both = of_datasets(dataset(doi="10.1/a, 10.1/b", record="5, 6"), dataset(doi="10.1/b"))
    assert [(each.doi, each.record) for each in both] == [("10.1/a", "5"), ("10.1/b", "6")]
    assert [each.record for each in of_datasets(dataset(record="12"))] == ["12"]
    assert of_datasets(dataset())[0].authors == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": "ATLAS"}, "Neither the ATLAS Collaboration nor CERN has checked"),
        ({"experiment": "my own"}, "None of those who released the data have checked"),
        ({"datasets": {}, "experiment": "toy"}, "uses no data of an experiment"),
    ],
)
def test_the_disclaimer(changes: dict[str, Any], said: str) -> None:
    assert said in citing._disclaimer(builders.analysis(**changes))


# -- TeX --------------------------------------------------------------------------------------


def test_accents_and_special_characters() -> None:
    assert tex("Köster, İlhan & 100 % of x_1") == r"K{\"o}ster, {\.I}lhan \& 100 \% of x\_1"
    assert tex("H \u2192 4\u2113") == r"H $\to$ 4$\ell$"
    assert tex("{") == r"\textbraceleft{}"
    assert tex("a\\b~c^d") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_whatever_a_title_holds_the_file_is_one(title: str) -> None:
    entries = parsed(bibtex(made(Citation(title=title, authors=(title, f"{title}, A.")))))
    assert len(entries) == 1


def test_keys_are_unique_and_records_have_addresses() -> None:
    one = Citation(title="T", record="5500", licence="CC0-1.0")
    entries = parsed(bibtex(made(one, one, Citation(title="…"), Citation(title="…"))))
    assert list(entries) == ["record:5500", "record:5500-2", "entry", "entry-2"]
    assert entries["record:5500"]["url"] == "https://opendata.cern.ch/record/5500"
    assert entries["record:5500"]["note"] == "record 5500, CC0-1.0"


def test_groups_are_no_surnames() -> None:
    entries = parsed(bibtex(made(Citation(title="T", authors=("CMS Collaboration", "others")))))
    assert entries["T"]["author"] == "{CMS Collaboration} and others"


def test_one_line() -> None:
    several = Citation(title="hist", version="hist 2.1", authors=("A, B.", "others"), year=2020)
    assert sentence(several) == "A, B. et al., hist 2.1 (2020)"
    assert sentence(Citation(title="T", doi="10.1/x", record="5, 6")) == (
        "T, record 5, record 6, doi:10.1/x"
    )


def test_a_program_that_the_analysis_names_is_told_once() -> None:
    found = cite(select(PROJECT, "mc-h4l-chain"))
    named = [each.doi for each in found.all if each.doi == "10.21468/SciPostPhysCodeb.8"]
    assert len(named) == 1
    assert found.disclaimer.startswith("This analysis uses no data of an experiment")


def test_one_work_in_several_versions_is_cited_once() -> None:
    one = Citation(title="n", version="numpy 1")
    (merged,) = citing._merged([one, one, one.model_copy(update={"version": "numpy 2"})])
    assert merged.version == "numpy 1, numpy 2"


def test_documents_without_the_new_fields_are_valid() -> None:
    old = Analysis.model_validate(
        builders.analysis().model_dump(exclude_defaults=True)
        | {"schema_version": 1, "citations": [{"title": "t", "doi": "10.1/x"}]}
    )
    assert old.citations[0].kind == "dataset"


def test_the_facts_are_part_of_the_package() -> None:
    assert citing.FACTS.is_file()
    assert Path(citing.__file__).parent == citing.FACTS.parent

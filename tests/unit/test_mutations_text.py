"""Every field of every text format counts, or is on the closed list of what is left out.

Small complete files are changed in one place at a time: each line and word of YODA and CSV, each
key, value and item of HEPData and UHI. No change may pass a comparison, except of a field of
`reprun.histograms.identity.LEFT_OUT`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from reprun.compare import compare
from reprun.errors import NothingToCompareError, OutputMissingError
from reprun.histograms import Objects, read_objects
from reprun.histograms.identity import FileFormat, left_out
from tests.compare_support import TODAY

pytestmark = pytest.mark.slow

HEPDATA: dict[str, Any] = {
    "description": "of it",
    "keywords": [{"name": "reactions", "values": ["P P --> X"]}],
    "independent_variables": [
        {
            "header": {"name": "pT", "units": "GeV"},
            "values": [{"low": 0, "high": 1}, {"low": 1, "high": 2, "value": 1.4}],
        },
        {"header": {"name": "channel"}, "values": [{"value": "e, mu"}, {"value": "tau"}]},
    ],
    "dependent_variables": [
        {
            "header": {"name": "sigma", "units": "pb"},
            "qualifiers": [{"name": "SQRT(S)", "units": "GeV", "value": 7000}],
            "values": [
                {
                    "value": 10,
                    "errors": [
                        {"label": "stat", "symerror": 1},
                        {"label": "sys", "asymerror": {"minus": -2, "plus": 3}},
                        {"label": "sys", "symerror": "5%"},
                        {"symerror": 0.5},
                    ],
                },
                {"value": "< 0.5", "errors": [{"label": "stat", "asymerror": {"plus": 0.155}}]},
            ],
        },
        {"header": {"name": "limit"}, "values": [{"value": "7%"}, {"value": 2**53 + 1}]},
    ],
}
SUBMISSION = """comment: of it
record_ids: [{id: 1, type: inspire}]
era: 2
---
name: Table 1
location: Page 1
description: of it
keywords: [{name: cmenergies, values: [7000]}]
data_file: one.yaml
---
name: Table 2
data_file: two.yaml
"""

YODA = {
    "histograms of version 2": """BEGIN YODA_HISTO1D_V3 /RAW/h
Path: /RAW/h
Title: "mass"
XLabel: m [GeV]
ScaledBy: 1.5
Variations:
  - "up"
Type: Histo1D
---
# Mean: 1
Edges(A1): [0.0, 1.0, 3.0]
MaskedBins: [1]
# sumW sumW2 sumW(A1) sumW2(A1) numEntries
1.0 1.0 -1.0 1.0 1
2.0 2.0 1.0 0.5 2
3.0 4.5 6.0 12.0 2
0.5 0.25 2.0 8.0 1
END YODA_HISTO1D_V3
BEGIN YODA_COUNTER_V3 /n
Path: /n
Type: Counter
---
# sumW sumW2 numEntries
5.0 25.0 1
END YODA_COUNTER_V3
""",
    "a profile of version 2": """BEGIN YODA_PROFILE1D_V3 /p
Path: /p
Type: Profile1D
---
Edges(A1): [0.0, 1.0]
# sumW sumW2 sumW(A1) sumW2(A1) sumwy sumwy2 entries
0 0 0 0 0 0 0
2.0 2.0 1.0 0.5 8.0 34.0 2
0 0 0 0 0 0 0
END YODA_PROFILE1D_V3
""",
    "words": """BEGIN YODA_BINNEDHISTO<s>_V3 /f
Path: /f
Type: BinnedHisto<s>
---
Edges(A1): ["e", "mu"]
# sumW sumW2 sumW(A1) sumW2(A1) numEntries
1 1 0 0 1
5 5 0 0 5
7 7 0 0 7
END YODA_BINNEDHISTO<s>_V3
BEGIN YODA_BINNEDPROFILE<i>_V3 /g
Path: /g
Type: BinnedProfile<i>
---
Edges(A1): [3, 4]
# sumW sumW2 sumW(A1) sumW2(A1) sumwy sumwy2 entries
1 1 0 0 1 1 1
5 5 0 0 5 5 5
7 7 0 0 7 7 7
END YODA_BINNEDPROFILE<i>_V3
""",
    "estimates": """BEGIN YODA_ESTIMATE1D_V3 /e
IsRef: 1
Path: /e
SQRT(S) [GEV]: 7000
Type: Estimate1D
---
Edges(A1): [0.0, 1.0]
ErrorLabels: ["stat", "sys"]
# value errDn(1) errUp(1) errDn(2) errUp(2)
nan --- --- --- ---
7.0 -1.0 1.0 -1.5 1.5
nan --- --- --- ---
END YODA_ESTIMATE1D_V3
BEGIN YODA_BINNEDESTIMATE<i,s>_V3 /b
Path: /b
Type: BinnedEstimate<i,s>
---
Edges(A1): [7000]
Edges(A2): ["a", "b"]
# value
nan
1
2
3
4
5
END YODA_BINNEDESTIMATE<i,s>_V3
""",
    "version 1": """BEGIN YODA_HISTO1D_V2 /h
Path: /h
Title: mass
Type: Histo1D
---
# ID ID sumw sumw2 sumwx sumwx2 numEntries
Total Total 6.5 7.75 8.0 21.5 6
Underflow Underflow 1.0 1.0 -1.0 1.0 1
Overflow Overflow 0.5 0.25 2.0 8.0 1
# xlow xhigh sumw sumw2 sumwx sumwx2 numEntries
0.0 1.0 2.0 2.0 1.0 0.5 2
1.0 3.0 3.0 4.5 6.0 12.0 2
END YODA_HISTO1D_V2
BEGIN YODA_SCATTER2D_V2 /s
ErrorBreakdown: {0: {stat: {dn: -1, up: 1}}, 1: {stat: {dn: -2, up: 2}}}
Path: /s
Type: Scatter2D
---
# xval xerr- xerr+ yval yerr- yerr+
1.0 0.5 0.5 10.0 1.0 1.0
2.0 0.5 0.5 20.0 2.0 2.0
END YODA_SCATTER2D_V2
""",
    "planes of version 1": """BEGIN YODA_HISTO2D_V2 /plane
Path: /plane
Type: Histo2D
---
# ID ID sumw sumw2 sumwx sumwx2 plane-sumwy plane-sumwy2 sumwxy plane-entries
Total Total 4.5 6 0 0 0 0 0 4
# xlow xhigh ylow yhigh sumw sumw2 sumwx sumwx2 plane-sumwy plane-sumwy2 sumwxy plane-entries
0 1 0 2 1 1 0 0 0 0 0 1
1 2 0 2 2 4 0 0 0 0 0 2
END YODA_HISTO2D_V2
""",
    "the oldest": """BEGIN YODA_SCATTER2D /REF/one
Path=/REF/one
Type=Scatter2D
LogY=1
# xval xerr- xerr+ yval yerr- yerr+
1.0 0.5 0.5 10.0 1.0 1.0
2.0 0.5 0.5 20.0 2.0 2.0
END YODA_SCATTER2D

# BEGIN YODA_SCATTER1D /REF/two
Path=/REF/two
Type=Scatter1D
# xval xerr- xerr+
1.0 0.5 0.5
# END YODA_SCATTER1D
""",
}
MOMENTS = {
    "sumwx": "sumwx of a bin",
    "sumwx2": "sumwx2 of a bin",
    "sumwxy": "sumwxy of a bin",
    "plane-sumwy": "sumwy of a bin of two axes",
    "plane-sumwy2": "sumwy2 of a bin of two axes",
    "plane-entries": "numEntries of a bin of a histogram",
    "sumW(A1)": "sumW(A…) of an axis",
    "sumW2(A1)": "sumW2(A…) of an axis",
}
"""What the closed list calls a column."""

CSV = {
    "a table": "# of record 1\nchannel,data,ZZ\n4mu,1,0.5\n\n2e2mu,9007199254740993,\n",
    "of several lines": 'channel,data\n"a\n#b",1\n',
    "a profile": "# reprun: "
    + json.dumps(
        {
            "name": "p", "class_name": "TProfile", "title": "of it", "entries": None,
            "axes": [
                {"edges": [0, 1], "kind": "variable", "labels": ["a"], "title": "x [GeV]",
                 "underflow": True, "overflow": True}
            ],
            "facts": {"option": "s"},
        }
    )
    + "\nrow,sumw\nunderflow,1\nbin 1 'a',2\noverflow,3\n",
}  # fmt: skip


DOCUMENTS: dict[str, Any] = {
    "a limit": {
        "observed": 0.3, "expected": [0.1, 0.2, 0.4], "poi": "mu", "converged": True, "note": None,
        "by year": {"2012": {"n": 2**53 + 1}, "a/b~c": 0}, "pairs": [[1, "x"], {}, []], "nan": "-",
    },
    "pyhf": {
        "channels": [
            {"name": "SR", "samples": [
                {"name": "signal", "data": [5.0, 10.0],
                 "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
                {"name": "bkg", "data": [50.0, 60.0], "modifiers": [
                    {"name": "u", "type": "shapesys", "data": [5.0, 12.0]},
                    {"name": "u", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                    {"name": "h", "type": "histosys",
                     "data": {"hi_data": [51.0, 61.0], "lo_data": [49.0, 59.0]}},
                ]},
            ]},
        ],
        "observations": [{"name": "SR", "data": [50.0, 60.0]}],
        "measurements": [{"name": "m", "config": {
            "poi": "mu", "parameters": [{"name": "mu", "bounds": [[0, 10]], "inits": [1.0]}]}}],
        "version": "1.0.0",
    },
    "HS3": {
        "metadata": {"hs3_version": "0.2", "packages": [{"name": "ROOT", "version": "6.40"}]},
        "distributions": [
            {"name": "g", "type": "gaussian_dist", "mean": "mu", "sigma": 1.0, "x": "x"},
            {"name": "h", "type": "histfactory_dist", "axes": [{"name": "x", "nbins": 2}],
             "samples": [{"name": "s", "data": {"contents": [1, 2], "errors": [0.1, 0.2]},
                          "modifiers": [{"name": "mu", "type": "normfactor"}]}]},
        ],
        "likelihoods": [{"name": "l", "distributions": ["g", "h"], "data": ["d", "e"]}],
        "parameter_points": [{"name": "start", "parameters": [{"name": "mu", "value": 1.0}]}],
    },
}  # fmt: skip


def axis(**more: Any) -> dict[str, Any]:
    return {"underflow": True, "overflow": False, "circular": False, "type": "regular"} | more


UHI: dict[str, Any] = {
    "plain": {
        "uhi_schema": 1,
        "writer_info": {"reprun": {"storage": "float32"}, "other": {"version": "1"}},
        "metadata": {"title": "mass", "entries": 7, "sums": [1, 2, 3, 4], "era": {"run": 2}},
        "axes": [
            axis(
                lower=0.0, upper=0.3, bins=2,
                metadata={"label": "m [GeV]", "name": "m", "labels": '["a", "b"]', "cut": 3},
            )
        ],
        "storage": {"type": "double", "values": [1.5, 2, 3]},
    },
    "weighted": {
        "uhi_schema": 1,
        "axes": [
            axis(type="variable", edges=[0, 1, 4], circular=True, underflow=False),
            {"type": "category_int", "categories": [1, 2], "flow": True},
        ],
        "storage": {
            "type": "weighted",
            "values": [[1, 2, 3], [4, 5, 6]],
            "variances": [[1, 2, 3], [4, 5, 6.5]],
        },
    },
    "words": {
        "uhi_schema": 1,
        "axes": [{"type": "category_str", "categories": ["1", "2"], "flow": False}],
        "storage": {"type": "int", "values": [2**53 + 1, 1]},
    },
    "small words": {
        "uhi_schema": 1,
        "axes": [{"type": "category_str", "categories": ["1", "2"], "flow": False}],
        "storage": {"type": "int", "values": [3, 1]},
    },
    "mean": {
        "uhi_schema": 1,
        "metadata": {"entries": 3, "cut": 1},
        "axes": [{"type": "boolean"}],
        "storage": {"type": "mean", "counts": [1, 2], "values": [3, 4], "variances": [5, 6]},
    },
    "weighted mean": {
        "uhi_schema": 1,
        "axes": [{"type": "boolean", "metadata": {"cut": "tight"}}],
        "storage": {
            "type": "weighted_mean", "sum_of_weights": [1, 2], "sum_of_weights_squared": [1, 4],
            "values": [3, 4], "variances": [5, 6],
        },
    },
    "sparse": {
        "uhi_schema": 1,
        "axes": [axis(lower=0, upper=1, bins=3)],
        "storage": {"type": "int", "index": [[0, 2]], "values": [7, 8]},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a file."""

    what: str
    text: str
    fields: tuple[str, ...]
    """What the closed list may call it."""


# -- trees ----------------------------------------------------------------------------------------


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


def parent_of(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


def other_values(value: Any) -> list[Any]:
    """Return what may stand in the place of a value."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, -value if value else 2, f"{value}%", "text"]
    if isinstance(value, str):
        return [f"{value}x", 17]
    return ["text", 17]


def changed_trees(tree: Any) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield each tree with one change, and the keys on the way to it."""
    for path in places(tree):
        keys = tuple(key for key in path if isinstance(key, str))
        told = "/".join(map(str, path))
        for n, value in enumerate(other_values(parent_of(tree, path)[path[-1]])):
            made = copy.deepcopy(tree)
            parent_of(made, path)[path[-1]] = value
            was = parent_of(tree, path)[path[-1]]
            yield f"{told} is {n}", made, keys if was is not None else (*keys, f"no {path[-1]}")
        made = copy.deepcopy(tree)
        del parent_of(made, path)[path[-1]]
        yield f"{told} is gone", made, (*keys, f"no {path[-1]}")
        if isinstance(path[-1], str):
            made = copy.deepcopy(tree)
            there = parent_of(made, path)
            there[f"{path[-1]}x"] = there.pop(path[-1])
            yield f"{told} has another name", made, keys
            made = copy.deepcopy(tree)
            parent_of(made, path)["added"] = 5
            yield f"{told} has a neighbour", made, keys[:-1]
        else:
            made = copy.deepcopy(tree)
            there = parent_of(made, path)
            there.insert(path[-1], copy.deepcopy(there[path[-1]]))
            yield f"{told} is there twice", made, keys


def of_trees(tree: Any, text_of: Any) -> list[Mutation]:
    return [Mutation(what, text_of(made), keys) for what, made, keys in changed_trees(tree)]


# -- lines ----------------------------------------------------------------------------------------


def other_words(word: str) -> list[str]:
    """Return words for another; of a list also with each of its numbers changed."""
    try:
        number = float(word)
    except ValueError:
        numbers = list(re.finditer(r"(?<![\w.])-?\d+(?:\.\d+)?", word))
        return [
            f"{word}x",
            *(f"{word[: n.start()]}{float(n[0]) + 1}{word[n.end() :]}" for n in numbers),
        ]
    return [repr(number + 1) if word != "nan" else "5", "x"]


def changed_words(line: str, sep: str) -> Iterator[tuple[int, str]]:
    words = line.split(sep)
    for at, word in enumerate(words):
        yield at, sep.join(words[:at] + words[at + 1 :])
        for new in other_words(word):
            yield at, sep.join([*words[:at], new, *words[at + 1 :]])


def of_lines(text: str, sep: str, fields: Any) -> list[Mutation]:
    """Return a text with each word changed, and each line gone or there twice."""
    lines = text.splitlines()
    found = []

    def add(what: str, made: list[str], names: tuple[str, ...]) -> None:
        found.append(Mutation(f"line {n + 1}: {what}", "\n".join(made) + "\n", names))

    for n, line in enumerate(lines):
        whole = fields(lines, n, None)
        add("gone", lines[:n] + lines[n + 1 :], whole)
        add("twice", [*lines[: n + 1], *lines[n:]], whole)
        for at, new in changed_words(line, sep):
            add(new, [*lines[:n], new, *lines[n + 1 :]], fields(lines, n, at))
    return found


def yoda_fields(lines: list[str], n: int, at: int | None) -> tuple[str, ...]:
    line = lines[n]
    if re.match(r"(# )?(BEGIN|END) YODA", line):
        hashed = ("lines that start with #",) if line[0] == "#" and not at else ()
        return (*hashed, "END …") if "END" in line and at != 0 else hashed
    if line.startswith("#"):
        return ("lines that start with #",)
    if line in ("", "---"):
        return (line or "empty lines",)
    if found := re.match(r"([A-Za-z]+)[:=]", line):
        gone = at is None or line.startswith(f"{found[1]}=")
        return (found[1], f"no {found[1]}") if gone else (found[1],)
    if at is None:
        return ("no Total",) if line.startswith("Total") else ()
    heads = [
        head.split()[1:] for head in lines[:n] if head.startswith("# ") and "BEGIN" not in head
    ]
    name = heads[-1][at] if heads and at < len(heads[-1]) else ""
    return (MOMENTS[name],) if name in MOMENTS else ()


def csv_fields(lines: list[str], n: int, at: int | None) -> tuple[str, ...]:
    line = lines[n]
    if line.startswith("#"):
        return ("lines that start with #",) if at is None or "reprun" not in line else ()
    if not line:
        return ("empty lines",)
    first = next(i for i, each in enumerate(lines) if not each.startswith("#"))
    if at == 0 and n != first and lines[0].startswith("# reprun"):
        return ("row of a bin",)
    return ("heading of the first column",) if n == first and at == 0 else ()


# -- what must hold -------------------------------------------------------------------------------


def read(path: Path, text: str) -> Objects:
    path.write_text(text, encoding="utf-8")
    return read_objects(path)


def passes(path: Path, text: str, reference: Objects) -> bool:
    """Say whether a changed file passes; one that cannot be read does not."""
    try:
        return compare(read(path, text), reference, [], TODAY).reproduced
    except (OutputMissingError, NothingToCompareError):
        return False


def check(path: Path, text: str, mutations: list[Mutation], file_format: FileFormat) -> None:
    reference = read(path, text)
    assert passes(path, text, reference)
    known = left_out(file_format)
    unseen = [
        each.what
        for each in mutations
        if each.text.split() != text.split()
        and not known.intersection(each.fields)
        and passes(path, each.text, reference)
    ]
    assert unseen == []


@pytest.mark.parametrize("name", YODA)
def test_every_word_of_yoda_counts(tmp_path: Path, name: str) -> None:
    text = YODA[name]
    check(tmp_path / "x.yoda", text, of_lines(text, " ", yoda_fields), "YODA")


@pytest.mark.parametrize("name", CSV)
def test_every_word_of_csv_counts(tmp_path: Path, name: str) -> None:
    text = CSV[name]
    mutations = of_lines(text, ",", csv_fields)
    check(tmp_path / "x.csv", text, mutations, "CSV")


def test_every_field_that_a_table_says_of_itself_counts(tmp_path: Path) -> None:
    first, rest = CSV["a profile"].split("\n", 1)
    about = json.loads(first.removeprefix("# reprun: "))

    def text_of(tree: Any) -> str:
        return f"# reprun: {json.dumps(tree)}\n{rest}"

    check(tmp_path / "x.csv", text_of(about), of_trees(about, text_of), "CSV")


def test_every_field_of_hepdata_counts(tmp_path: Path) -> None:
    # JSON is YAML, and written much faster.
    check(tmp_path / "x.yaml", json.dumps(HEPDATA), of_trees(HEPDATA, json.dumps), "HEPData")


def test_every_field_of_a_submission_counts(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(HEPDATA))

    def text_of(tree: Any) -> str:
        return "\n---\n".join(map(json.dumps, tree))

    documents = list(yaml.safe_load_all(SUBMISSION))
    mutations = of_trees(documents, text_of)
    check(tmp_path / "submission.yaml", text_of(documents), mutations, "HEPData")


@pytest.mark.parametrize("name", UHI)
def test_every_field_of_uhi_counts(tmp_path: Path, name: str) -> None:
    document = {name: UHI[name]}
    mutations = of_trees(document, json.dumps)
    check(tmp_path / "x.json", json.dumps(document), mutations, "UHI JSON")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_value_of_a_document_counts(tmp_path: Path, name: str) -> None:
    document = DOCUMENTS[name]
    mutations = of_trees(document, json.dumps)
    check(tmp_path / "x.json", json.dumps(document), mutations, "JSON documents")

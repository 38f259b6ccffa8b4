"""`analysis.yaml`: each fault is refused with its file, line and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.documents.analysis import Analysis, load_analysis
from reprun.errors import SpecificationError
from tests.unit.builders import GOOD, SHA

MANIFEST = f"""\
title: Large files
files:
  - path: data/b.root
    size: 4
    sha256: sha256:{SHA}
    adler32: 0000000a
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large.yaml").write_text(MANIFEST)
    (tmp_path / "analysis.yaml").write_text(GOOD)
    return tmp_path


def refused(directory: Path, text: str) -> SpecificationError:
    (directory / "analysis.yaml").write_text(text)
    with pytest.raises(SpecificationError) as error:
        load_analysis(directory)
    return error.value


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_good_document_is_read(directory: Path) -> None:
    analysis = load_analysis(directory)
    assert analysis.name == "demo"
    assert analysis.outputs.all == ("results/h.root", "results/t.csv")
    assert analysis.datasets["large"].files[0].digest == f"sha256:{SHA}"
    assert analysis.datasets["small"].files[0].digest == f"sha256:{SHA}"


# old text, new text, what the message says, a part of the line that is named
FAULTS = {
    "unknown field": (
        "title: A",
        "titel: x\ntitle: A",
        "titel: unknown field. Did you mean 'title'?",
        "titel",
    ),
    "unknown field deep": (
        "    image: columnar",
        "    image: columnar\n    snakfile: x",
        "variants.columnar.snakfile: unknown field. Did you mean 'snakefile'?",
        "snakfile",
    ),
    "unknown field of a rule": (
        "    kind: float",
        "    kind: float\n    relativ: 1",
        "compare.0.relativ: unknown field. Did you mean 'relative'?",
        "relativ:",
    ),
    "unknown field of a data file": (
        "        size: 3",
        "        size: 3\n        sizes: 3",
        "datasets.small.files.0.sizes: unknown field. Did you mean 'size'?",
        "sizes",
    ),
    "missing field": (
        "experiment: CMS\n",
        "",
        "experiment: this field is missing",
        "schema_version",
    ),
    "missing field deep": (
        "    image: columnar",
        "    {}",
        "variants.columnar.image: this field is missing",
        "  columnar:",
    ),
    "field twice": (
        "title: A",
        "title: B\ntitle: A",
        "the field 'title' is duplicated",
        "title: A",
    ),
    "field twice deep": (
        "  bins: 10",
        "  bins: 10\n  bins: 11",
        "the field 'bins' is duplicated",
        "bins: 11",
    ),
    "not YAML": ("title: A", "title: [A", "not valid YAML", "experiment"),
    "tab": ("title: A", "\ttitle: A", "not valid YAML", "title"),
    "wrong version": (
        "schema_version: 1",
        "schema_version: 2",
        "schema_version: must be 1, is the number 2",
        "schema_version",
    ),
    "name with a slash": (
        "name: demo",
        "name: a/b",
        "name: must be a name of small letters",
        "name:",
    ),
    "output outside": (
        "results/h.root",
        "../h.root",
        "outputs.histograms.0: '../h.root' must be a path inside",
        "histograms",
    ),
    "absolute output": (
        "results/h.root",
        "/h.root",
        "outputs.histograms.0: '/h.root' must be a path inside",
        "histograms",
    ),
    "data outside": ("data/a.csv", "a/../../b", "without '..'", "path:"),
    "wrong sha256": (
        f"sha256: {SHA}",
        f"sha256: {SHA[1:]}",
        "datasets.small.files.0.sha256: must be a sha256, 64 digits",
        "sha256",
    ),
    "negative size": (
        "size: 3",
        "size: -3",
        "datasets.small.files.0.size: must be at least 0, is the number -3",
        "size",
    ),
    "tolerance without reason": (
        "    reason: sums are rounded\n",
        "",
        "compare.0: the rule for '*' allows a difference: give its reason",
        'match: "*"',
    ),
    "ignore without reason": (
        "    kind: float\n    relative: 1.0e-12\n    reason: sums are rounded\n",
        "    kind: ignore\n",
        "allows a difference: give its reason",
        'match: "*"',
    ),
    "count with a tolerance": (
        "kind: float",
        "kind: count",
        "counts are compared exactly",
        'match: "*"',
    ),
    "tolerance of everything": (
        "1.0e-12",
        "1.0",
        "compare.0.relative: must be less than 1.0, is the number 1.0",
        "relative",
    ),
    "tolerance without bound": (
        "relative: 1.0e-12",
        "absolute: .inf",
        "compare.0.absolute: must be a finite number, is the number inf",
        "absolute",
    ),
    "tolerance that is not a number": ("1.0e-12", ".nan", "compare.0.relative", "relative"),
    "unknown kind": (
        "kind: float",
        "kind: double",
        "compare.0.kind: must be 'count', 'float', 'sampled' or 'ignore', is 'double'",
        "kind",
    ),
    "no rule": (GOOD[GOOD.index("compare:") :], "compare: []\n", "compare: ", "compare"),
    "no output": (
        "  histograms: [results/h.root]\n  tables: [results/t.csv]",
        "  plots: []",
        "outputs: an analysis must declare at least one output",
        "outputs",
    ),
    "no variant": (
        GOOD[GOOD.index("variants:") : GOOD.index("datasets:")],
        "variants: {}\n",
        "variants: ",
        "variants",
    ),
    "default variant": (
        "default_dataset: small",
        "default_variant: colmnar",
        "default_variant: there is no 'colmnar'. Did you mean 'columnar'?",
        "schema_version",
    ),
    "default dataset": (
        "default_dataset: small",
        "default_dataset: smal",
        "default_dataset: there is no 'smal'. Did you mean 'small'?",
        "schema_version",
    ),
    "parameter without a value in JSON": ("scale: 1.5", "scale: .nan", "parameters.scale", "scale"),
    "infinite parameter of a variant": (
        "{bins: 20}",
        "{bins: .inf}",
        "variants.legacy.parameters.bins",
        "bins: .inf",
    ),
    "manifest missing": (
        "data/large.yaml",
        "data/lrge.yaml",
        "the dataset manifest data/lrge.yaml does not exist",
        "large:",
    ),
    "manifest outside": (
        "data/large.yaml",
        "../large.yaml",
        "datasets.large: '../large.yaml' must be a path inside",
        "large:",
    ),
    "file twice": (
        f"        sha256: {SHA}\n",
        f"        sha256: {SHA}\n      - {{path: data/a.csv, size: 3, sha256: {SHA}}}\n",
        "datasets.small.files: the path 'data/a.csv' is duplicated",
        "files:",
    ),
    "date that is none": (
        "    kind: float",
        "    kind: float\n    expires: 2025-02-30",
        "not valid YAML",
        "expires",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_line_and_field(fault: str, directory: Path) -> None:
    old, new, said, where = FAULTS[fault]
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    error = refused(directory, text)
    assert said in error.message
    place = f"{directory / 'analysis.yaml'}:"
    assert error.place is not None
    assert error.place.startswith(place)
    line = re.match(r"\d+", error.place.removeprefix(place))
    assert line is not None
    expected = next(
        (
            n
            for n, shown in enumerate(text.splitlines(), 1)
            if shown.strip().startswith(where.strip())
        ),
        None,
    ) or line_of(text, where)
    if fault == "field twice":
        expected = line_of(text, "title: A")
    assert int(line[0]) == expected


def test_several_faults_are_all_told_with_their_lines(directory: Path) -> None:
    error = refused(
        directory, GOOD.replace("experiment", "expriment").replace("title: A", "titel: A")
    )
    assert error.message.startswith("titel: unknown field. Did you mean 'title'?")
    assert error.message.splitlines()[1:] == [
        "    line 4: expriment: unknown field. Did you mean 'experiment'?",
        "    line 1: title: this field is missing",
        "    line 1: experiment: this field is missing",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a list\n", "words\n", "3\n"])
def test_a_document_that_is_no_mapping(text: str, directory: Path) -> None:
    error = refused(directory, text)
    assert error.message.startswith("document: ")
    assert error.place == f"{directory / 'analysis.yaml'}:1"


def test_no_document_at_all(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"cannot read analysis\.yaml") as error:
        load_analysis(tmp_path)
    assert error.value.place == str(tmp_path / "analysis.yaml")


def test_bytes_that_are_no_text(directory: Path) -> None:
    (directory / "analysis.yaml").write_bytes(b"title: \xff\xfe")
    with pytest.raises(SpecificationError, match=r"cannot read analysis\.yaml"):
        load_analysis(directory)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: &a [*a]\nb: 2025-02-30\n",
        "&a\nname: *a\n",
        "a: 0b_\n",
        "a: !!int x\n",
        "a: !!python/object:os.system x\n",
        "? [1]\n: 2\n",
        "\0",
        "[" * 5000 + "]" * 5000,
    ],
)
def test_yaml_that_would_trip_the_reader(text: str, directory: Path) -> None:
    assert str(refused(directory, text).place).startswith(str(directory / "analysis.yaml"))


def test_a_fault_in_a_manifest_names_the_manifest(directory: Path) -> None:
    manifest = directory / "data" / "large.yaml"
    manifest.write_text(MANIFEST.replace("    size: 4", "    size: four"))
    with pytest.raises(SpecificationError, match=r"files\.0\.size: ") as error:
        load_analysis(directory)
    assert error.value.place == f"{manifest}:4"


def test_the_right_variant_and_dataset_are_picked(directory: Path) -> None:
    analysis = load_analysis(directory)
    assert analysis.variant(None)[0] == "columnar"
    assert analysis.variant("legacy")[1].snakefile == "Snakefile.legacy"
    picked = analysis.dataset(None)
    assert picked is not None
    assert picked[0] == "small"


def test_unknown_variant_and_dataset_name_the_nearest(directory: Path) -> None:
    analysis = load_analysis(directory)
    with pytest.raises(
        SpecificationError, match=r"no variant 'legcy'. Did you mean 'legacy'"
    ) as error:
        analysis.variant("legcy")
    assert error.value.hint == "reprun show demo"
    with pytest.raises(SpecificationError, match=r"no dataset 'smal'. Did you mean 'small'"):
        analysis.dataset("smal")


def test_an_analysis_without_data(directory: Path) -> None:
    start, end = GOOD.index("datasets:"), GOOD.index("outputs:")
    (directory / "analysis.yaml").write_text(GOOD[:start] + "datasets:\n" + GOOD[end:])
    analysis = load_analysis(directory)
    assert analysis.dataset(None) is None
    with pytest.raises(SpecificationError, match="no dataset 'small'"):
        analysis.dataset("small")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
LINES = GOOD.splitlines(keepends=True)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="ab:-[]{}&*!?|> \n#'\"01.", max_size=60))
def test_any_text_is_refused_with_a_place(scratch: Path, text: str) -> None:
    (scratch / "analysis.yaml").write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(SpecificationError) as error:
        load_analysis(scratch)
    assert str(scratch / "analysis.yaml") in str(error.value.place)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(Analysis.model_fields)), VALUES)
def test_any_value_of_any_field_is_read_or_refused_in_its_line(
    scratch: Path, field: str, value: object
) -> None:
    """Whatever stands in a field: no other exception, and the line is one of the document."""
    import yaml  # noqa: PLC0415

    text = yaml.safe_dump({field: value}, sort_keys=False)
    kept = [line for line in LINES if line.startswith(("schema", "title", "experiment", "dphep"))]
    (scratch / "analysis.yaml").write_text("".join(kept) + text, encoding="utf-8")
    with pytest.raises(SpecificationError) as error:
        load_analysis(scratch)
    found = re.search(r"analysis\.yaml:(\d+)", str(error.value.place))
    assert found is not None
    assert 1 <= int(found[1]) <= len(("".join(kept) + text).split("\n")) + 1

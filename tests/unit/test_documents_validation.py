"""What a reader is told of a fault: in our words, with the line, never those of a library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reprun.conditions.snapshot import Snapshot
from reprun.documents.analysis import Analysis, load_analysis
from reprun.documents.manifest import load_manifest
from reprun.documents.validation import MEANING_OF_PATTERN
from reprun.errors import SpecificationError
from reprun.images.catalogue.image_lock import ImageLockDocument
from reprun.images.catalogue.image_toml import BuiltImage
from tests.unit.builders import GOOD

HEAD = "title: A dataset\n"
FILE = "files:\n  - path: data/a.csv\n    size: 3\n    adler32: '00000001'\n"

MANIFESTS = {
    "no text": ("record: 5200\n", 2, "record: must be a string, is the number 5200: put it into"),
    "empty": ("doi:\nrecord: [1]\n", 3, "record: must be a string, is a list"),
    "a number for a list": ("files: 3\n", 2, "files: must be a list, is the number 3"),
    "a text for a list": (
        FILE + "    uris: https://x/y\n",
        6,
        "files.0.uris: must be a list, is 'https://x/y': write [https://x/y]",
    ),
    "no files": ("files: []\n", 2, "files: must have at least 1 entry, has none"),
    "no mapping": ("files: [3]\n", 2, "files.0: must be a mapping of fields to values, is the"),
    "half a size": (
        FILE.replace("size: 3", "size: 3.5"),
        4,
        "files.0.size: must be an integer, is the number 3.5",
    ),
    "a size in words": (
        FILE.replace("size: 3", "size: three"),
        4,
        "files.0.size: must be an integer, is 'three'",
    ),
    "adler32 without quotes": (
        FILE.replace("'00000001'", "00000001"),
        5,
        "files.0.adler32: must be a string, is the number 1: put it into quotes",
    ),
    "true": ("events: [true]\n" + FILE, 2, "events: must be an integer, is a list"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_faults_of_a_manifest(name: str, tmp_path: Path) -> None:
    text, line, said = MANIFESTS[name]
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(SpecificationError) as error:
        load_manifest(path)
    assert said in error.value.message
    assert error.value.message.startswith(said.partition(":")[0])
    assert error.value.place == f"{path}:{line}"


ANALYSES = {
    "level without quotes": ('dphep_level: "2"', "dphep_level: 2", "is the number 2: put it into"),
    "an empty reason": (
        "    image: legacy\n",
        "    image: legacy\n    network: ''\n",
        "variants.legacy.network: must not be empty",
    ),
    "a kind nearly right": ("kind: float", "kind: floats", "is 'floats'. Did you mean 'float'?"),
    "a rate in words": ("1.0e-12", "little", "relative: must be a number, is 'little'"),
    "a list as parameter": (
        "  bins: 10",
        "  bins: [1]",
        "parameters.bins: must be a string, a number, true or false, is a list",
    ),
    "a long name": (
        "name: demo",
        "name: " + "a" * 65,
        "name: must have at most 64 characters, has 65",
    ),
    "no date": (
        "    kind: float",
        "    kind: float\n    expires: soon",
        "compare.0.expires: must be a date like 2026-12-31, is 'soon'",
    ),
    "parameters as a list": (
        GOOD[GOOD.index("parameters:") : GOOD.index("variants:")],
        "parameters: [1]\n",
        "parameters: must be a mapping of names to values, is a list",
    ),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_faults_of_an_analysis(name: str, tmp_path: Path) -> None:
    old, new, said = ANALYSES[name]
    assert old in GOOD
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large.yaml").write_text(HEAD + FILE)
    (tmp_path / "analysis.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SpecificationError) as error:
        load_analysis(tmp_path)
    assert said in error.value.message
    assert "Input should" not in error.value.message


def test_five_faults_are_told_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"title": "t", "files": [{"path": "..", "size": -1}] * 4}))
    with pytest.raises(SpecificationError) as error:
        load_manifest(path)
    assert len(error.value.message.splitlines()) == 6
    assert error.value.message.endswith("\n    and 3 more")


MODELS = (Analysis, Snapshot, BuiltImage, ImageLockDocument)


def test_every_pattern_of_a_field_has_a_meaning() -> None:
    schemas = [json.dumps(model.model_json_schema()) for model in MODELS]
    patterns = {json.loads(f'"{text}"') for schema in schemas for text in _patterns(schema)}
    assert patterns == set(MEANING_OF_PATTERN)


def _patterns(schema: str) -> list[str]:
    return [part.split('"')[0] for part in schema.split('"pattern": "')[1:]]

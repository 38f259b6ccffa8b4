"""Published schemas and the page of fields are what the models say today."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tools.schemas import MODELS, PAGES, descriptions, documents, models_in, page, schema_of

from tests.unit.builders import GOOD

ROOT = Path(__file__).resolve().parents[2]
MADE = documents()


@pytest.mark.parametrize("name", MADE)
def test_what_is_published_is_of_today(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == MADE[name], "type: make schemas"


@pytest.mark.parametrize(
    ("document", "name"), [(page, name) for page, (_, names) in PAGES.items() for name in names]
)
def test_every_field_has_a_meaning(document: str, name: str) -> None:
    fields = page(document)
    for model in models_in(MODELS[name][0]):
        assert set(descriptions(model)) >= set(model.model_fields), model.__name__
        for field in model.model_fields:
            assert f"| `{field}` | " in fields


def valid(name: str, document: Any) -> bool:
    schema = schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(document))


def test_the_schema_of_an_analysis() -> None:
    real = yaml.safe_load((ROOT / "examples/cms-h4l/analysis.yaml").read_text())
    assert valid("analysis", real)
    assert valid("analysis", yaml.safe_load(GOOD))
    assert not valid("analysis", real | {"titel": "x"})
    assert not valid("analysis", real | {"dphep_level": 2})
    assert not valid("analysis", real | {"datasets": {"a": 3}})


def test_the_schema_of_a_manifest() -> None:
    for path in (ROOT / "examples").glob("*/data/*.yaml"):
        assert valid("manifest", yaml.safe_load(path.read_text())), path
    assert not valid("manifest", {"title": "x", "files": []})


@pytest.mark.parametrize("path", sorted((ROOT / "images").glob("*/image.toml")), ids=str)
def test_the_schemas_of_the_images(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    name = "image-external" if "external" in document else "image"
    assert valid(name, document)
    assert not valid(name, document | {"titel": "x"})
    assert not valid("image-derived", document)
    if name == "image":
        assert valid("image-lock", tomllib.loads(path.with_name("image.lock").read_text()))


def test_the_schema_of_a_derived_image() -> None:
    assert valid("image-derived", {"extends": "columnar", "requirements": ["coffea"]})
    assert not valid("image-derived", {"extends": "columnar", "requirements": "coffea"})
    assert not valid("image-derived", {"requirements": ["coffea"]})


def test_the_schema_of_a_project() -> None:
    text = (ROOT / "src/reprun/authoring/templates/project/reprun.toml").read_text()
    for document in (tomllib.loads(text), tomllib.loads((ROOT / "reprun.toml").read_text())):
        assert valid("project", document)
        assert not valid("project", document | {"analyses": ""})
        assert not valid("project", document | {"analysis": "a"})


def test_the_schemas_are_json() -> None:
    for name, text in MADE.items():
        if name.endswith(".json"):
            assert json.loads(text)["properties"]

"""Bills of materials: reproducible, of today, and as the schema of CycloneDX has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from reprun.images.builder.sbom import SBOM_NAME, sbom
from reprun.images.catalogue.catalogue import Catalogue
from tests.images_support import Kitchen, with_foreign

# What reads the schemas takes four seconds to import.
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    return with_foreign(tmp_path)


def test_the_bill_of_materials_is_reproducible_and_fits_the_schema(made: Kitchen) -> None:
    catalogue = Catalogue(made.directory)
    data = sbom(catalogue.definition("tiny"), catalogue.locked("tiny"))
    assert data == sbom(catalogue.definition("tiny"), catalogue.locked("tiny"))
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(data.decode()) is None
    document = json.loads(data)
    by_name = {each["name"]: each for each in document["components"]}
    assert by_name["hello"]["purl"] == "pkg:deb/debian/hello@1.0-1?arch=amd64&distro=bookworm"
    assert by_name["greet"]["hashes"] == [{"alg": "SHA-256", "content": made.wheels[0].sha256}]
    assert validator.validate_str(data.decode().replace('"library"', '"libary"')) is not None


@pytest.mark.parametrize("name", ["columnar", "generator", "legacy-py2", "root-6.37", "root-6.40"])
def test_the_committed_bills_are_those_of_the_locks_and_fit_the_schema(name: str) -> None:
    catalogue = Catalogue(REPOSITORY / "images")
    data = sbom(catalogue.definition(name), catalogue.locked(name))
    assert (REPOSITORY / "images" / name / SBOM_NAME).read_bytes() == data
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    components = json.loads(data)["components"]
    definition = catalogue.definition(name)
    assert len(components) == len(definition.debs) + len(definition.wheels)
    assert len({each["bom-ref"] for each in components}) == len(components)

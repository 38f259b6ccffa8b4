"""The bill of materials of an image, as CycloneDX 1.6, from its locks alone.

https://cyclonedx.org/docs/1.6/json/ . The bytes depend on the locks and on nothing else: no
time stamp but the image's own, and a serial number derived from the image ID.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

from reprun.digests import PREFIX
from reprun.images.builder.licences import UNKNOWN_WHEEL_LICENCE
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import UNKNOWN_LICENCE, DebEntry, WheelEntry
from reprun.images.model import Image
from reprun.images.oci.layout import CREATED

SBOM_NAME = "sbom.cdx.json"
"""What it is called beside the locks, where `images lock` writes it."""

NAMESPACE = uuid.UUID("7c3f6c4e-6d0e-5f5c-9a86-2f4f3f4f6a10")
"""Of the serial numbers: UUID version 5 of an image ID in this namespace."""


def sbom(definition: Definition, image: Image) -> bytes:
    """Return the bill of materials of a locked image."""
    reference = f"pkg:oci/{image.name}@{urllib.parse.quote(image.manifest, safe='')}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, image.image_id)}",
        "version": 1,
        "metadata": {
            "timestamp": CREATED,
            "component": {
                "bom-ref": reference,
                "type": "container",
                "name": image.name,
                "version": image.image_id,
                "description": definition.title,
                "purl": reference,
            },
            "properties": [
                {"name": "reprun:image", "value": image.image_id},
                {"name": "reprun:manifest", "value": image.manifest},
                *_parent(definition),
                *({"name": "reprun:layer", "value": layer.digest} for layer in image.layers),
            ],
        },
        "components": [
            *(_deb(entry, definition) for entry in definition.debs),
            *(_wheel(entry) for entry in definition.wheels),
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _parent(definition: Definition) -> list[dict[str, str]]:
    """Return which image a derived one took its packages over from."""
    parent = definition.parent
    return (
        [{"name": "reprun:parent", "value": f"{parent.name}@{parent.image_id}"}] if parent else []
    )


def _deb(entry: DebEntry, definition: Definition) -> dict[str, Any]:
    facts = urllib.parse.urlencode({"arch": entry.architecture, "distro": definition.suite})
    purl = f"pkg:deb/debian/{_quote(entry.name)}@{_quote(entry.version)}?{facts}"
    return _component(entry, purl, {"type": "library"})


def _wheel(entry: WheelEntry) -> dict[str, Any]:
    purl = f"pkg:pypi/{entry.name}@{_quote(entry.version)}"
    return _component(entry, purl, {"type": "library"})


def _component(entry: DebEntry | WheelEntry, purl: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **facts,
        "bom-ref": purl,
        "name": entry.name,
        "version": entry.version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": entry.digest.removeprefix(PREFIX)}],
        **_licences(entry.licence),
        "properties": [
            {"name": "reprun:file", "value": entry.filename},
            {"name": "reprun:size", "value": str(entry.size)},
        ],
    }


def _licences(licence: str) -> dict[str, Any]:
    """Return the licences by name: Debian's short names are not all SPDX's."""
    if licence in (UNKNOWN_LICENCE, UNKNOWN_WHEEL_LICENCE):
        return {}
    names = dict.fromkeys(re.split(r", ", licence))
    return {"licenses": [{"license": {"name": name}} for name in names]}


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe=".-_~")

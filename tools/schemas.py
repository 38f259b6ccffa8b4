"""JSON Schemas and the page of fields, made from the models so that they cannot go stale.

`tools/schemas.py` writes them into docs/; a test holds what is committed against what they are now.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reprun.cli import environment
from reprun.conditions.snapshot import Snapshot
from reprun.documents.analysis import Analysis
from reprun.documents.manifest import Dataset
from reprun.documents.project import ProjectFile
from reprun.documents.record import RunRecord
from reprun.documents.validation import ADLER32, DEBIAN_NAME, DIGEST, NAME, ROOT_HASH, SHA256
from reprun.images.catalogue.external import ExternalLockDocument
from reprun.images.catalogue.image_lock import ImageLockDocument
from reprun.images.catalogue.image_toml import BuiltImage, DerivedImage, ExternalImage
from reprun.images.catalogue.parent import ParentLock
from reprun.report.model import report_schema
from reprun.report.nights import CellNights
from reprun.runs.blessed import Blessing
from reprun.runs.candidate import Candidate
from reprun.runs.reference_log import Entry

MODELS: Mapping[str, tuple[type[BaseModel], str]] = {
    "analysis": (Analysis, "analysis.yaml"),
    "manifest": (Dataset, "a dataset manifest"),
    "snapshot": (Snapshot, "snapshot.toml"),
    "record": (RunRecord, "record.json"),
    "candidate": (Candidate, "candidate.json"),
    "blessed": (Blessing, "blessed.json"),
    "reference-log": (Entry, "a line of log.jsonl"),
    "cell-nights": (CellNights, "the history of a cell beside its page"),
    "project": (ProjectFile, "reprun.toml"),
    "image": (BuiltImage, "image.toml of an image that is built here"),
    "image-derived": (DerivedImage, "image.toml of an image that extends another"),
    "image-external": (ExternalImage, "image.toml of an image that is published elsewhere"),
    "image-lock": (ImageLockDocument, "image.lock"),
    "parent-lock": (ParentLock, "parent.lock"),
    "external-lock": (ExternalLockDocument, "external.lock"),
}
WORDS = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
}
PATTERNS = {
    NAME: "name",
    SHA256: "64 hexadecimal digits",
    DIGEST: "`sha256:` and 64 hexadecimal digits",
    DEBIAN_NAME: "name of a Debian package",
    ADLER32: "8 hexadecimal digits",
    ROOT_HASH: "40 to 64 hexadecimal digits",
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANALYSIS_HEAD = """\
# The fields of analysis.yaml, manifests and snapshots

<!-- made by tools/schemas.py from the models in src/reprun; edit the descriptions there -->

Paths are relative to the directory of the document. A field that is not listed here is refused,
and every error is reported with its line. For editors, the same is in
[schemas/analysis.json](schemas/analysis.json), [schemas/manifest.json](schemas/manifest.json)
and [schemas/snapshot.json](schemas/snapshot.json): a first line
`# yaml-language-server: $schema=…/docs/schemas/analysis.json` makes them complete and check it.
"""
IMAGE_HEAD = """\
# The fields of image.toml and of the locks beside it

<!-- made by tools/schemas.py from the models in src/reprun; edit the descriptions there -->

There are three kinds of `image.toml`: with the tables `[debian]` and `[python]` the image is built
here from nothing else, with `extends` it adds to another image of the catalogue, and with the table
`[external]` it is published elsewhere. A field that is not listed here is an error, and every error
names its line. For editors that check TOML the same is in [schemas/image.json](schemas/image.json),
[schemas/image-derived.json](schemas/image-derived.json) and
[schemas/image-external.json](schemas/image-external.json): a first line
`#:schema …/docs/schemas/image-derived.json` names the one that fits.

`reprun images lock` writes `image.lock`, `parent.lock`, and the two lists `debs.lock` and
`wheels.lock`, which are not TOML: one Debian package or wheel a line, with the names of the columns
in the first line. `reprun images pin`, `pull` and `import` write `external.lock`.
[images.md](images.md) says how they work together.
"""
PROJECT_HEAD = """\
# The fields of reprun.toml

<!-- made by tools/schemas.py from the models in src/reprun; edit the descriptions there -->

The file marks a directory as a project: commands look for it in the current directory and upwards,
and `REPRUN_PROJECT` names a project from anywhere else. `reprun init` writes it
([install.md](install.md)). A field that is not listed here is an error, and every error names its
line. For editors that check TOML the same is in [schemas/project.json](schemas/project.json): a
first line `#:schema …/docs/schemas/project.json` names it.
"""
PAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "analysis-yaml.md": (ANALYSIS_HEAD, ("analysis", "manifest", "snapshot")),
    "reprun-toml.md": (PROJECT_HEAD, ("project",)),
    "image-toml.md": (
        IMAGE_HEAD,
        ("image", "image-derived", "image-external", "image-lock", "parent-lock", "external-lock"),
    ),
}
"""What each page begins with, and the documents whose fields it lists."""


def documents() -> dict[str, str]:
    """Return the text of every generated file by its path below docs/."""
    found = {f"schemas/{name}.json": _text(schema_of(name)) for name in MODELS}
    pages = {name: page(name) for name in PAGES}
    pages["environment.md"] = environment.page()
    return {**found, "schemas/report.json": report_schema(), **pages}


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document, with the description of each field."""
    model, _ = MODELS[name]
    schema = model.model_json_schema()
    for each in models_in(model):
        part = schema if each is model else schema["$defs"][each.__name__]
        for field, said in descriptions(each).items():
            part["properties"].get(field, {})["description"] = said
    if model is Analysis:
        # Before it is read a dataset may be the path of its manifest.
        named = schema["properties"]["datasets"]["patternProperties"]
        for pattern, dataset in named.items():
            named[pattern] = {"anyOf": [dataset, {"type": "string"}]}
    return {"$schema": DIALECT, **schema}


def models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and those that its fields are made of, each once, in their order."""
    seen: dict[type[BaseModel], None] = {}

    def visit(current: type[BaseModel]) -> None:
        if current in seen:
            return
        seen[current] = None
        for field in current.model_fields.values():
            for inner in _types(field.annotation):
                visit(inner)

    visit(model)
    yield from seen


def _types(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for item in getattr(annotation, "__args__", ()):
        yield from _types(item)


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return what the source says of each field: the text that follows it."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


# -- the page -----------------------------------------------------------------------------------


def page(name: str) -> str:
    """Return a page of fields, e.g. docs/analysis-yaml.md."""
    head, names = PAGES[name]
    parts = [head]
    told: set[str] = set()
    for document in names:
        model, title_of = MODELS[document]
        schema = schema_of(document)
        for each in models_in(model):
            if each.__name__ in told:
                continue
            told.add(each.__name__)
            part = schema if each is model else schema["$defs"][each.__name__]
            title = title_of if each is model else each.__name__
            parts.append(_section(title, each, part))
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel], schema: Mapping[str, Any]) -> str:
    said = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    rows = [
        f"## {title[0].upper() + title[1:] if title.startswith('a ') else title}",
        "",
        said,
        "",
        "| field | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        default = "**needed**" if required else _default(field.get("default"))
        rows.append(f"| `{name}` | {_type(field)} | {default} | {field.get('description', '')} |")
    return "\n".join([*rows, ""]).replace("\n\n\n", "\n\n")


def _default(value: Any) -> str:
    return "none" if value in (None, [], {}, "") else f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(schema: Mapping[str, Any]) -> str:
    """Return the type of a field in words."""
    match schema:
        case {"$ref": reference}:
            said = str(reference).rpartition("/")[2]
        case {"anyOf": alternatives}:
            words = [_type(each) for each in alternatives if each.get("type") != "null"]
            said = " or ".join(dict.fromkeys(words))
        case {"const": value}:
            said = f"`{json.dumps(value)}`"
        case {"enum": values}:
            said = " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            said = f"list of {_type(items)}"
        case {"type": "object"}:
            named = schema.get("patternProperties") or {"": schema["additionalProperties"]}
            said = f"mapping of names to {' or '.join(map(_type, named.values()))}"
        case {"type": "string", "format": "date"}:
            said = "date"
        case {"pattern": pattern}:
            said = PATTERNS.get(pattern, "text")
        case {"type": kind}:
            said = WORDS.get(kind, str(kind)) + _bounds(schema)
        case _:
            said = "anything"
    return said


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f" {' and '.join(said)}" if said else ""


def main() -> None:
    """Write every generated file."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    for name, text in documents().items():
        (docs / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()

"""The documentation names what there is, links to what exists and keeps its size."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
README_LINES = 130
PICTURE_BYTES = 150_000
PNG = b"\x89PNG\r\n\x1a\n"


def targets(text: str) -> list[str]:
    """Return the files that a document links to, as written there."""
    parts = [urlsplit(link) for link in LINK.findall(text)]
    return [part.path for part in parts if not part.scheme and part.path]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_of_the_root_leads_to_a_file(document: str) -> None:
    assert [
        name for name in targets((ROOT / document).read_text()) if not (ROOT / name).exists()
    ] == []


def test_the_site_lists_every_page_once() -> None:
    def leaves(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node.values() if isinstance(node, dict) else node
        assert not isinstance(children, int)
        return [leaf for child in children for leaf in leaves(child)]  # type: ignore[attr-defined]

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(leaves(nav)) == PAGES


def test_the_index_leads_to_every_page() -> None:
    found = set(targets((DOCS / "index.md").read_text()))
    assert sorted(found - {"images/report.png"} | {"index.md"}) == PAGES


def test_every_example_has_a_readme_and_a_row() -> None:
    """An example that nobody can find is not an example: the row is in docs/examples.md."""
    text = (DOCS / "examples.md").read_text()
    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE))
    examples = {path.parent.name for path in (ROOT / "examples").glob("*/analysis.yaml")}
    assert rows == examples
    assert [
        name for name in examples if not (ROOT / "examples" / name / "README.md").is_file()
    ] == []


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_the_picture_of_the_report_is_small() -> None:
    data = (DOCS / "images" / "report.png").read_bytes()
    assert data.startswith(PNG)
    assert int.from_bytes(data[16:20], "big") == 1200
    assert len(data) <= PICTURE_BYTES


def test_every_marker_is_registered_and_in_contributing(pytestconfig: pytest.Config) -> None:
    registered = {line.split(":")[0] for line in pytestconfig.getini("markers")}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    ours = {"slow", "docker", "podman", "registry", "xrootd", "chromium", "reana"}
    assert ours <= registered
    assert [name for name in ours if f"`{name}`" not in text] == []


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    declared = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    helped = set(re.findall(r'@echo "make (\S+)', text))
    assert declared - {"help", "setup", "setup-test"} == helped

"""The documentation as a site: it builds, has no dead link and loads nothing from a network."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell

LOADING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
REMOTE = re.compile(r"^(?:https?:)?//")
CSS_REMOTE = re.compile(r"(?:url\(|@import )[\"']?(?:https?:)?//")


class Loads(HTMLParser):
    """Collects what a page loads when it is opened (a link that is clicked is not a load)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get(LOADING.get(tag, ""))
        if value:
            self.found.append(value)


def loads(page: Path) -> list[str]:
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


def build(shell: Shell, configuration: Path, site: Path, code: int = 0) -> str:
    # Not --quiet: what is not logged does not count as a warning, and strict would mean nothing.
    command = (sys.executable, "-m", "mkdocs", "build", "--config-file")
    done = shell(
        *command, str(configuration), "--site-dir", str(site), code=code, NO_MKDOCS_2_WARNING="1"
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Path:
    home: Path = tmp_path_factory.mktemp("docs")
    build(Shell(home, store, {}), ROOT / "mkdocs.yml", home / "site")
    return home / "site"


def test_every_page_is_built_and_opens_from_disk(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in site.glob("*.html")} == pages | {"404"}
    for page in site.glob("*.html"):
        local = [name for name in loads(page) if not name.startswith("data:")]
        # 404.html is for a web server, which knows where its root is.
        if page.stem != "404":
            assert [name for name in local if not (site / name.split("?")[0]).exists()] == []


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    assert [
        (page.name, name)
        for page in site.rglob("*.html")
        for name in loads(page)
        if REMOTE.match(name)
    ] == []
    assert [
        path.name for path in site.rglob("*.css") if CSS_REMOTE.search(path.read_text("utf-8"))
    ] == []


def test_a_dead_link_fails_the_build(tmp_path: Path, store: Store) -> None:
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Title\n\n[gone](gone.md)\n")
    (tmp_path / "mkdocs.yml").write_text(
        yaml.safe_dump(configuration | {"nav": ["index.md"], "extra_css": []})
    )
    said = build(Shell(tmp_path, store, {}), tmp_path / "mkdocs.yml", tmp_path / "site", code=1)
    assert "gone.md" in said


def test_a_load_from_a_network_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a href="https://a/b"></a><script src="//cdn.example/x.js"></script>')
    assert loads(page) == ["//cdn.example/x.js"]
    assert REMOTE.match(loads(page)[0])
    assert CSS_REMOTE.search("@import 'https://fonts.example/a.css';")

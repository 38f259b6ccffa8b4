"""The analysis of docs/own-analysis.md, run exactly as it is written there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

BLOCK = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
FILES = {
    "analysis.yaml": "schema_version:",
    "Snakefile": "rule spectrum:",
    "code/spectrum.py": "import sys",
}


def indented(document: str) -> list[str]:
    """Return the indented blocks of a document."""
    text = (ROOT / document).read_text()
    return [textwrap.dedent(block).strip("\n") + "\n" for block in BLOCK.findall(text)]


def test_the_readme_shows_the_same_analysis() -> None:
    shown = [
        [block for block in indented(document) if block.startswith(FILES["analysis.yaml"])]
        for document in ("README.md", "docs/own-analysis.md")
    ]
    assert len(shown[0]) == 1
    assert shown[0] == shown[1]


def test_the_smallest_analysis_works_as_written(
    tmp_path: Path, store: Store, columnar: Image
) -> None:
    blocks = indented("docs/own-analysis.md")
    project = tmp_path / "project"
    (project / "examples").mkdir(parents=True)
    (project / "images").symlink_to(ROOT / "images")
    shell = Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})
    for name, start in FILES.items():
        (found,) = [block for block in blocks if block.startswith(start)]
        shell.write(f"project/examples/mine/{name}", found)
    (commands,) = [block for block in blocks if block.startswith("reprun lock mine")]
    typed = [line.split("#")[0].split("--reason")[0].split() for line in commands.splitlines()]
    assert typed == [
        ["reprun", "lock", "mine"],
        ["reprun", "run", "mine"],
        ["reprun", "bless", "mine"],
        ["reprun", "run", "mine"],
    ]
    shell.reprun("lock", "mine")
    shell.reprun("run", "mine", code=5)
    shell.reprun("bless", "mine", "--reason", "hand-checked against figure 3", "--author", "me")
    assert "reproduced: 1 object, identical" in shell.reprun("run", "mine").stdout

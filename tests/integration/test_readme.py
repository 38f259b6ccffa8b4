"""The README's own analysis, run exactly as it is written there."""

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


def test_the_smallest_analysis_works_as_written(
    tmp_path: Path, store: Store, columnar: Image
) -> None:
    text = (ROOT / "README.md").read_text()
    blocks = [textwrap.dedent(block).strip("\n") + "\n" for block in BLOCK.findall(text)]
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

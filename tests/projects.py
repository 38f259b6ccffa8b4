"""Projects that the tests make for themselves."""

from __future__ import annotations

from pathlib import Path

from reprun.project import PROJECT_FILE


def mark_project(root: Path) -> Path:
    """Make a directory a project with analyses in examples/ and no images but those of its own."""
    root.mkdir(parents=True, exist_ok=True)
    text = 'schema_version = 1\nanalyses = "examples"\npackaged_images = false\n'
    (root / PROJECT_FILE).write_text(text)
    return root

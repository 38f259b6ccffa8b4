"""Projects that the tests make for themselves."""

from __future__ import annotations

from pathlib import Path

from reprun.documents.project import PROJECT_FILE


def mark_project(root: Path, *, packaged_images: bool = False) -> Path:
    """Make a directory a project, with analyses in examples/ and images of its own alone."""
    root.mkdir(parents=True, exist_ok=True)
    text = 'schema_version = 1\nanalyses = "examples"\n'
    text += f"packaged_images = {str(packaged_images).lower()}\n"
    (root / PROJECT_FILE).write_text(text)
    return root

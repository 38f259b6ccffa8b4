"""Datasets: every file verified before an analysis sees it, from the first source that has it.

`resolve` brings what is missing and says where each file lies, `stage` puts the files into a
workspace, `records` turns a portal's record into a manifest.
"""

from reprun.data.files import (
    ResolvedFile,
    check_committed,
    committed_file,
    pin,
    refuse_unpinned,
    resolve,
    stage,
)

__all__ = [
    "ResolvedFile",
    "check_committed",
    "committed_file",
    "pin",
    "refuse_unpinned",
    "resolve",
    "stage",
]

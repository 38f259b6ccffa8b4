"""What is written for HEPData passes HEPData's own validator, run by its own interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reprun.errors import StorageError
from reprun.histograms import (
    Axis,
    Histogram,
    read_objects,
    write_hepdata,
)
from tests.histograms_support import column, table


def validated(submission: Path) -> tuple[int, str]:
    """Return exit code and complaints of the official validator, in a process of its own.

    It warns of its own use of jsonschema, and warnings are errors in this one.
    """
    script = (
        "import sys\n"
        "from hepdata_validator.full_submission_validator import FullSubmissionValidator\n"
        "validator = FullSubmissionValidator()\n"
        "passed = validator.validate(directory=sys.argv[1])\n"
        "for file in validator.get_messages():\n"
        "    validator.print_errors(file)\n"
        "sys.exit(not passed)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(submission)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_official_validator_accepts_what_is_written(tmp_path: Path) -> None:
    axis = Axis.regular(3, 0, 1, title="m(4l) [GeV]")
    made = [
        Histogram("dir/one", (axis,), np.array([1, 2, 3, 4, 5.0]), title="mass"),
        Histogram("two", (axis, Axis.categories(("a", "b"))), np.ones((5, 4))),
    ]
    keywords = {"cmenergies": "8000"}
    written = write_hepdata(tmp_path / "s", made, comment="A test.", keywords=keywords)
    assert validated(tmp_path / "s") == (0, "")
    written[1].write_text("dependent_variables: 3\n")
    assert validated(tmp_path / "s")[0] == 1
    write_hepdata(tmp_path / "s", made, comment="A test.", keywords=keywords)
    objects = read_objects(written[0])
    assert column(table(objects, "dir/one"), "mass") == [2, 3, 4]
    assert "hold 6" in written[0].read_text()
    assert table(objects, "two").rows[1] == "[0, 0.3333333333333333), b"
    three = Histogram("x", (axis, axis, axis), np.zeros((5, 5, 5)))
    with pytest.raises(StorageError, match="three axes"):
        write_hepdata(tmp_path / "t", [three], comment="", keywords={})

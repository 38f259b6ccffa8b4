"""The rules of a comparison of two files, calibrated with toys from the reference."""

from __future__ import annotations

from reprun.compare.calibrate import Calibration
from reprun.runs.compare_files import Files, Reading
from reprun.runs.compared import Calibrated


def calibrate_files(files: Files, toys: int, reading: Reading) -> Calibration:
    """Return what toys from the reference say of the rules."""
    question = files.question(toys=toys)
    found = reading(question, Calibrated, files.monitored, files.reference).calibration
    assert found is not None
    return found

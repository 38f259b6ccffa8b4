"""Write the conditions of the toy detector: `python make_conditions.py DATABASE`.

The numbers are invented; their size is guided by what CMS published of its own detector
(muons: JINST 7 (2012) P10002; electromagnetic calorimeter: JINST 3 (2008) S08004). They stand
here to be read and changed; what runs use is the database, locked by its sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

GLOBAL_TAG = "TOY_DETECTOR_2012_V1"
LAST_RUN = 203742
DATE = "2026-11-22 00:00:00"

MUON_RINGS, ELECTRON_RINGS = [0.9, 1.2, 2.4], [1.479, 2.5]

# Tag: record, type of the payloads, and the payload from each run on.
TAGS: dict[str, tuple[str, str, dict[int, dict[str, Any]]]] = {
    "ToyMuonResolution_v1": (
        "MuonResolutionRcd",
        "ToyResolution",
        {
            193834: {
                "abs_eta": MUON_RINGS,
                "constant": [0.011, 0.014, 0.020],
                "slope_per_gev": [0.00010, 0.00013, 0.00025],
            },
            198049: {  # tracker realigned
                "abs_eta": MUON_RINGS,
                "constant": [0.010, 0.013, 0.018],
                "slope_per_gev": [0.00008, 0.00010, 0.00020],
            },
        },
    ),
    "ToyElectronResolution_v1": (
        "ElectronResolutionRcd",
        "ToyResolution",
        {
            193834: {
                "abs_eta": ELECTRON_RINGS,
                "stochastic": [0.05, 0.10],
                "noise_gev": [0.25, 0.50],
                "constant": [0.012, 0.024],
            },
            198049: {  # crystals darken
                "abs_eta": ELECTRON_RINGS,
                "stochastic": [0.05, 0.11],
                "noise_gev": [0.28, 0.60],
                "constant": [0.014, 0.030],
            },
            201000: {
                "abs_eta": ELECTRON_RINGS,
                "stochastic": [0.05, 0.12],
                "noise_gev": [0.30, 0.70],
                "constant": [0.015, 0.034],
            },
        },
    ),
    "ToyMuonEfficiency_v1": (
        "MuonEfficiencyRcd",
        "ToyEfficiency",
        {
            193834: {
                "abs_eta": MUON_RINGS,
                "plateau": [0.97, 0.96, 0.95],
                "threshold_gev": 4.0,
                "width_gev": 0.6,
            },
        },
    ),
    "ToyElectronEfficiency_v1": (
        "ElectronEfficiencyRcd",
        "ToyEfficiency",
        {
            193834: {
                "abs_eta": ELECTRON_RINGS,
                "plateau": [0.92, 0.84],
                "threshold_gev": 6.5,
                "width_gev": 1.8,
            },
            198049: {  # more collisions in one crossing
                "abs_eta": ELECTRON_RINGS,
                "plateau": [0.90, 0.81],
                "threshold_gev": 6.8,
                "width_gev": 2.0,
            },
        },
    ),
}

# Tables and columns of CMS's conditions files (conddb), as far as they are used.
SCHEMA = """
CREATE TABLE GLOBAL_TAG (NAME TEXT PRIMARY KEY, VALIDITY INTEGER, DESCRIPTION TEXT,
 RELEASE TEXT, SNAPSHOT_TIME TEXT, INSERTION_TIME TEXT);
CREATE TABLE GLOBAL_TAG_MAP (GLOBAL_TAG_NAME TEXT, RECORD TEXT, LABEL TEXT, TAG_NAME TEXT);
CREATE TABLE TAG (NAME TEXT PRIMARY KEY, TIME_TYPE TEXT, OBJECT_TYPE TEXT,
 SYNCHRONIZATION TEXT, END_OF_VALIDITY INTEGER, DESCRIPTION TEXT,
 LAST_VALIDATED_TIME INTEGER, INSERTION_TIME TEXT, MODIFICATION_TIME TEXT);
CREATE TABLE IOV (TAG_NAME TEXT, SINCE INTEGER, PAYLOAD_HASH TEXT, INSERTION_TIME TEXT);
CREATE TABLE PAYLOAD (HASH TEXT PRIMARY KEY, OBJECT_TYPE TEXT, DATA BLOB,
 STREAMER_INFO BLOB, VERSION TEXT, INSERTION_TIME TEXT);
"""


def write_database(path: Path) -> None:
    """Write the database anew."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA page_size = 1024")
    database.executescript(SCHEMA)
    database.execute(
        "INSERT INTO GLOBAL_TAG VALUES (?, ?, 'a toy detector in 2012', '', ?, ?)",
        (GLOBAL_TAG, LAST_RUN, DATE, DATE),
    )
    for tag, (record, object_type, payloads) in TAGS.items():
        database.execute(
            "INSERT INTO GLOBAL_TAG_MAP VALUES (?, ?, '-', ?)", (GLOBAL_TAG, record, tag)
        )
        database.execute(
            "INSERT INTO TAG VALUES (?, 'Run', ?, 'any', ?, '', 0, ?, ?)",
            (tag, object_type, LAST_RUN, DATE, DATE),
        )
        for since, payload in payloads.items():
            data = json.dumps(payload, sort_keys=True).encode()
            name = hashlib.sha1(object_type.encode() + data).hexdigest()  # noqa: S324 - a name
            database.execute("INSERT INTO IOV VALUES (?, ?, ?, ?)", (tag, since, name, DATE))
            database.execute(
                "INSERT INTO PAYLOAD VALUES (?, ?, ?, x'', '1', ?)", (name, object_type, data, DATE)
            )
    database.commit()
    database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    write_database(parser.parse_args().database)

"""CMS conditions databases written by the tests, in both schemas of the experiment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

OLD_TAG = "FT_TEST_V1"
NEW_TAG = "105X_test_v1"

Leaves = Iterable[tuple[str, str, str, int, int]]
"""Record, label, tag, first and last run."""

OLD: Leaves = (
    ("BeamSpotObjectsRcd", "", "BeamSpot_2011", 1, 200000),
    ("JetCorrectionsRecord", "AK5PF", "JEC_AK5PF", 160000, 180252),
)


def old_index(path: Path, leaves: Leaves = OLD) -> Path:
    """Write an index of the CORAL schema: an inventory of tags and a tree of them."""
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE TAGINVENTORY_TABLE (tagID INTEGER, tagName TEXT, pfn TEXT,"
            " recordname TEXT, objectname TEXT, labelname TEXT)"
        )
        db.execute(
            f"CREATE TABLE TAGTREE_TABLE_{OLD_TAG} (nodeID INTEGER, nodelabel TEXT, lft INTEGER,"
            " rgt INTEGER, parentID INTEGER, tagID INTEGER, globalsince INTEGER,"
            " globaltill INTEGER)"
        )
        rows = list(leaves)
        db.execute(
            f"INSERT INTO TAGTREE_TABLE_{OLD_TAG} VALUES (1, 'All', 1, ?, 0, 0, 1, 0)",
            (2 * len(rows) + 2,),
        )
        for n, (record, label, tag, since, until) in enumerate(rows, 1):
            db.execute(
                "INSERT INTO TAGINVENTORY_TABLE VALUES (?, ?, ?, ?, 'Object', ?)",
                (n, tag, f"sqlite_file:./{OLD_TAG}/{tag}.db", record, label),
            )
            db.execute(
                f"INSERT INTO TAGTREE_TABLE_{OLD_TAG} VALUES (?, ?, ?, ?, 1, ?, ?, ?)",
                (n + 1, tag, 2 * n, 2 * n + 1, n, since, until),
            )
    db.close()
    return path


NEW: Mapping[tuple[str, str, str], Mapping[int, str]] = {
    ("BeamSpotObjectsRcd", "-", "BeamSpot_v1"): {100: "aa", 200: "bb"},
    ("SiPixelQualityFromDbRcd", "forDigi", "Pixel_v1"): {(150 << 32) | 10: "cc"},
}


def new_index(
    path: Path,
    tags: Mapping[tuple[str, str, str], Mapping[int, str]] = NEW,
    *,
    ends: Mapping[str, int] | None = None,
    time_types: Mapping[str, str | int] | None = None,
) -> Path:
    """Write a database of the conddb schema: global tag, map, tags, intervals, payloads."""
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE GLOBAL_TAG (NAME TEXT PRIMARY KEY, VALIDITY INTEGER, DESCRIPTION TEXT,"
            " RELEASE TEXT, SNAPSHOT_TIME TEXT, INSERTION_TIME TEXT);"
            "CREATE TABLE GLOBAL_TAG_MAP (GLOBAL_TAG_NAME TEXT, RECORD TEXT, LABEL TEXT,"
            " TAG_NAME TEXT);"
            "CREATE TABLE TAG (NAME TEXT PRIMARY KEY, TIME_TYPE, OBJECT_TYPE TEXT,"
            " SYNCHRONIZATION TEXT, END_OF_VALIDITY INTEGER, DESCRIPTION TEXT,"
            " LAST_VALIDATED_TIME INTEGER, INSERTION_TIME TEXT, MODIFICATION_TIME TEXT);"
            "CREATE TABLE IOV (TAG_NAME TEXT, SINCE INTEGER, PAYLOAD_HASH TEXT,"
            " INSERTION_TIME TEXT);"
            "CREATE TABLE PAYLOAD (HASH TEXT PRIMARY KEY, OBJECT_TYPE TEXT, DATA BLOB,"
            " STREAMER_INFO BLOB, VERSION TEXT, INSERTION_TIME TEXT);"
        )
        db.execute(
            "INSERT INTO GLOBAL_TAG VALUES (?, 0, '', '', '2019-01-01', '2019-01-01')", (NEW_TAG,)
        )
        for (record, label, tag), intervals in tags.items():
            kind = (time_types or {"Pixel_v1": "Lumi"}).get(tag, "Run")
            db.execute(
                "INSERT INTO GLOBAL_TAG_MAP VALUES (?, ?, ?, ?)", (NEW_TAG, record, label, tag)
            )
            db.execute(
                "INSERT INTO TAG VALUES (?, ?, 'Object', 'any', ?, '', 0, '', '')",
                (tag, kind, (ends or {}).get(tag, 0)),
            )
            for since, payload in intervals.items():
                db.execute("INSERT INTO IOV VALUES (?, ?, ?, '2019-01-01')", (tag, since, payload))
                db.execute(
                    "INSERT OR IGNORE INTO PAYLOAD VALUES (?, 'Object', x'00', x'00', '', '')",
                    (payload,),
                )
    db.close()
    return path

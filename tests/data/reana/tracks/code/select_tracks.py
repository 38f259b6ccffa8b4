"""Keeps the tracks of one charge above a transverse momentum."""

import csv
import sys
from pathlib import Path

_, source, charge, minimum, output = sys.argv
with Path(source).open() as stream:
    rows = [row for row in csv.DictReader(stream) if row["charge"] == charge]
kept = [row for row in rows if float(row["pt"]) >= float(minimum)]
with Path(output).open("w", newline="") as stream:
    writer = csv.DictWriter(stream, ["charge", "pt"])
    writer.writeheader()
    writer.writerows(kept)
print(f"{charge}: kept {len(kept)} of {len(rows)} tracks")

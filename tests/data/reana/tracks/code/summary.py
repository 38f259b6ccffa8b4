"""Counts the selected tracks."""

import json
import sys
from pathlib import Path

*selected, output = sys.argv[1:]
counts = {Path(name).stem: len(Path(name).read_text().splitlines()) - 1 for name in selected}
Path(output).write_text(json.dumps(counts, sort_keys=True) + "\n")

"""Runs the code cells of a notebook in order, in one namespace, as its kernel would.

The images here have no papermill and no nbconvert; a notebook of plain Python needs neither.
"""

import json
import sys
from pathlib import Path

notebook = json.loads(Path(sys.argv[1]).read_text())
names = {"__name__": "__main__"}
for number, cell in enumerate(notebook["cells"], 1):
    if cell["cell_type"] == "code":
        print(f"cell {number}", flush=True)
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)

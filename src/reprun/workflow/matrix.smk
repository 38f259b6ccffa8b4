# The preservation matrix: one cell for each analysis and variant, one Snakemake for all cells.
# `reprun matrix` prepares the workspaces and writes the file that `cells` names.

import json

if "cells" not in config:
    raise WorkflowError("the cells of the matrix are prepared by: reprun matrix")

with open(config["cells"]) as stream:
    CELLS = json.load(stream)

for cell in CELLS:
    module_name = cell["name"]
    label = module_name + "_"

    module:
        name:
            module_name
        snakefile:
            cell["snakefile"]
        prefix:
            cell["prefix"]
        config:
            cell["config"]

    use rule * from module_name as label*


rule matrix:
    default_target: True
    input:
        [f"{cell['prefix']}/{target}" for cell in CELLS for target in cell["targets"]],

# The matrix of analyses x variants. Type `reprun matrix`: it prepares the cells, starts Snakemake
# once on this workflow and judges what comes out.


include: "src/reprun/backends/matrix.smk"

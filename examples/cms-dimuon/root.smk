# CMS dimuons with RDataFrame. Portable: Snakemake 7.32 and 9, one container per rule.

configfile: "config.yaml"

INPUT = {
    "nanoaod": "data/Run2012BC_DoubleMuParked_Muons_first100k.root",
    "csv": "data/MuRun2010B_0.csv",
}

# Compiled macros go to the container's own /tmp: inputs, and what lies beside them, stay as is.
ROOT = "root -l -b -q -e 'gSystem->SetBuildDir(\"/tmp\", true)'"


rule all:
    input:
        "results/histograms.root",
        "results/cutflow.csv",
        "results/zpeak.csv",
        "results/zpeak_errors.csv",
        "results/dimuon.png",


rule fill:
    input:
        "code/root/fill.C",
        events=INPUT[config["dataset"]],
    output:
        histograms="results/histograms.root",
        cutflow="results/cutflow.csv",
    params:
        root=ROOT,
        dataset=config["dataset"],
        max_events=config["max_events"],
        fraction=config["fraction"],
    container:
        config["image"]
    resources:
        mem_mb=2000,
        kubernetes_memory_limit="2000Mi",
    shell:
        "{params.root} 'code/root/fill.C+(\"{params.dataset}\", \"{input.events}\","
        " {params.max_events}, {params.fraction}, \"{output.histograms}\", \"{output.cutflow}\")'"


rule fit:
    input:
        "code/root/fit.C",
        "code/root/zpeak.h",
        histograms="results/histograms.root",
    output:
        values="results/zpeak.csv",
        errors="results/zpeak_errors.csv",
    params:
        root=ROOT,
    container:
        config["image"]
    resources:
        mem_mb=2000,
        kubernetes_memory_limit="2000Mi",
    shell:
        "{params.root} 'code/root/fit.C(\"{input.histograms}\", \"{output.values}\", \"{output.errors}\")'"


rule plot:
    input:
        "code/root/plot.C",
        "code/root/zpeak.h",
        histograms="results/histograms.root",
        cutflow="results/cutflow.csv",
        values="results/zpeak.csv",
        errors="results/zpeak_errors.csv",
    output:
        "results/dimuon.png",
    params:
        root=ROOT,
        dataset=config["dataset"],
    container:
        config["image"]
    resources:
        mem_mb=2000,
        kubernetes_memory_limit="2000Mi",
    shell:
        "{params.root} 'code/root/plot.C(\"{params.dataset}\", \"{input.histograms}\","
        " \"{input.cutflow}\", \"{input.values}\", \"{input.errors}\", \"{output}\")'"

# The last steps of the chain alone, on the histogram files published with the example.

rule stack:
    input:
        "code/stack.py",
        published=expand(
            "data/published/{name}.root",
            name=["DoubleMu12", "DoubleE12", "HZZ12", "ZZ4mu12", "ZZ4e12", "ZZ2mu2e12"],
        ),
    output:
        histograms="results/histograms.root",
        yields="results/yields.csv",
    container:
        config["image"]
    resources:
        mem_mb=1000,
        kubernetes_memory_limit="1000Mi",
    shell:
        "python3 code/stack.py data/published {output.histograms} {output.yields}"


rule plot:
    input:
        "code/plot.py",
        "results/histograms.root",
    output:
        "results/mass4l.png",
    container:
        config["image"]
    resources:
        mem_mb=1000,
        kubernetes_memory_limit="1000Mi",
    shell:
        "python3 {input} {output}"

rule summary:
    input:
        code="code/summary.py",
        selected=expand("results/selected/{charge}.csv", charge=config["charges"]),
    output:
        "results/summary.json",
    container:
        "docker://docker.io/library/python:3.12-slim"
    resources:
        kubernetes_memory_limit="256Mi",
    shell:
        "python3 {input.code} {input.selected} {output}"

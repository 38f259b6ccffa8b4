rule select:
    input:
        code="code/select_tracks.py",
        tracks=config["tracks"],
    output:
        "results/selected/{charge}.csv",
    params:
        pt=config["minimum_pt"],
    container:
        "docker://docker.io/library/python:3.12-slim"
    resources:
        kubernetes_memory_limit="256Mi",
        kubernetes_job_timeout=300,
        kubernetes_uid=1000,
    shell:
        "python3 {input.code} {input.tracks} {wildcards.charge} {params.pt} {output}"

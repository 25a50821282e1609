"""Data sets: read or simulated, prepared, and stored once as Parquet."""


rule prepare:
    input:
        # A user's own files: the prefix of a module does not move them. Their content decides, by
        # its digest below, and not when they were written.
        lambda wildcards: [
            ancient(file if ROOT == "results" else local(file))
            for file in PLAN.source_files(wildcards.dataset)
        ],
    output:
        data="results/data/{dataset}.parquet",
    log:
        "results/logs/prepare/{dataset}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("prepare"),
        runtime=RESOURCES.minutes("prepare"),
    params:
        spec=lookup(dpath="datasets/{dataset}", within=PLAN.parameters),
        source=lambda wildcards: PLAN.source_digests[wildcards.dataset],
        code=code_digest("prepare"),
    message:
        "Read and prepare the data set {wildcards.dataset}"
    script:
        "../scripts/prepare.py"

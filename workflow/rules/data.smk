"""Data sets: read or simulated, prepared, and stored once as Parquet."""


rule prepare:
    input:
        lambda wildcards: PLAN.source_files(wildcards.dataset),
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
        code=code_digest("prepare"),
    script:
        "../scripts/prepare.py"

"""Structures of one model, side by side in one table."""


rule compare:
    input:
        fits=lambda wildcards: PLAN.fit_files("fit.json", model=wildcards.model),
    output:
        structures="results/compare/{model}/structures.parquet",
    log:
        "results/logs/compare/{model}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("tables"),
        runtime=RESOURCES.minutes("tables"),
    params:
        code=code_digest("compare"),
    script:
        "../scripts/compare.py"

"""Fits: one job per model, structure and optimiser."""


rule fit:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        trace="results/fits/{model}/{structure}/{optimizer}/trace.parquet",
        estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
        timing="results/fits/{model}/{structure}/{optimizer}/timing.parquet",
        modes="results/fits/{model}/{structure}/{optimizer}/modes.parquet",
        modes_trace="results/fits/{model}/{structure}/{optimizer}/modes_trace.parquet",
        csv=expand(
            "results/fits/{{model}}/{{structure}}/{{optimizer}}/{table}.csv",
            table=["estimates", "modes"],
        ),
    log:
        "results/logs/fit/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        model=lookup(dpath="models/{model}", within=PLAN.parameters),
        optimizer=lookup(dpath="optimizers/{optimizer}", within=PLAN.parameters),
        seed=PLAN.config.seed,
        keyframes=PLAN.config.charts.keyframes,
        code=code_digest("fit"),
    message:
        "Fit {wildcards.model}: structure {wildcards.structure}, optimiser {wildcards.optimizer}"
    script:
        "../scripts/fit.py"

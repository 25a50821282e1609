"""Fits: one job per model, structure and optimiser, then its conditional modes."""


rule fit:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        trace="results/fits/{model}/{structure}/{optimizer}/trace.parquet",
        estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
        timing="results/fits/{model}/{structure}/{optimizer}/timing.parquet",
    log:
        "results/logs/fit/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    params:
        model=lookup(dpath="models/{model}", within=PLAN.parameters),
        optimizer=lookup(dpath="optimizers/{optimizer}", within=PLAN.parameters),
        seed=PLAN.config.seed,
        code=code_digest("fit"),
    script:
        "../scripts/fit.py"


rule modes:
    input:
        info=rules.fit.output.info,
        trace=rules.fit.output.trace,
        estimates=rules.fit.output.estimates,
        data=rules.fit.input.data,
    output:
        modes="results/fits/{model}/{structure}/{optimizer}/modes.parquet",
        modes_trace="results/fits/{model}/{structure}/{optimizer}/modes_trace.parquet",
    log:
        "results/logs/modes/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    params:
        keyframes=PLAN.config.charts.keyframes,
        code=code_digest("modes"),
    script:
        "../scripts/modes.py"

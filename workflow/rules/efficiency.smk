"""Accuracy of structures: simulations from the first fit in batches, and cross-validation."""

from mixedscope.workflow.efficiency_plan import EfficiencyPlan

EFFICIENCY = EfficiencyPlan(PLAN, code_digest("efficiency_batch"))


rule efficiency_batch:
    input:
        fits=lambda wildcards: EFFICIENCY.fit_files(wildcards.model),
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        draws="results/compare/{model}/efficiency/{draws}.draws.parquet",
        refits="results/compare/{model}/efficiency/{draws}.refits.parquet",
        timing="results/compare/{model}/efficiency/{draws}.timing.parquet",
    log:
        "results/logs/efficiency/{model}/{draws}.log",
    wildcard_constraints:
        draws=r"\d+-\d+",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes("study"),
    params:
        blocks=lambda wildcards: EFFICIENCY.blocks(wildcards.draws),
        seed=lambda wildcards: EFFICIENCY.seed(wildcards.model),
        key=lambda wildcards: EFFICIENCY.key(wildcards.model),
    message:
        "Simulate the accuracy of structures of {wildcards.model}, draws {wildcards.draws}"
    script:
        "../scripts/efficiency_batch.py"


rule efficiency:
    input:
        fits=lambda wildcards: EFFICIENCY.fit_files(wildcards.model),
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        draws=lambda wildcards: EFFICIENCY.batch_files(wildcards.model, "draws"),
        refits=lambda wildcards: EFFICIENCY.batch_files(wildcards.model, "refits"),
        timings=lambda wildcards: EFFICIENCY.batch_files(wildcards.model, "timing"),
    output:
        summary="results/compare/{model}/efficiency.parquet",
        draws="results/compare/{model}/efficiency_draws.parquet",
        refits="results/compare/{model}/efficiency_refits.parquet",
        timing="results/compare/{model}/efficiency_timing.parquet",
        csv=expand(
            "results/compare/{{model}}/efficiency{part}.csv",
            part=["", "_draws", "_refits", "_timing"],
        ),
    log:
        "results/logs/efficiency/{model}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        wanted=lambda wildcards: EFFICIENCY.draws(wildcards.model),
        seed=lambda wildcards: EFFICIENCY.seed(wildcards.model),
        code=code_digest("efficiency"),
    message:
        "Sum up the accuracy of structures of {wildcards.model}"
    script:
        "../scripts/efficiency.py"


rule crossvalidation:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        summary="results/compare/{model}/crossvalidation.parquet",
        groups="results/compare/{model}/crossvalidation_groups.parquet",
        fits="results/compare/{model}/crossvalidation_fits.parquet",
        csv=expand(
            "results/compare/{{model}}/crossvalidation{part}.csv",
            part=["", "_groups", "_fits"],
        ),
    log:
        "results/logs/crossvalidation/{model}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes("study"),
    params:
        model=lookup(dpath="models/{model}", within=PLAN.parameters),
        crossvalidation=lookup(dpath="crossvalidations/{model}", within=PLAN.parameters),
        code=code_digest("crossvalidation"),
    message:
        "Cross-validate the structures of {wildcards.model}"
    script:
        "../scripts/crossvalidation.py"

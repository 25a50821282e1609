"""Power of planned studies: draws of every size in batches, or of a search, and their sum."""

from mixedscope.workflow.power_plan import PowerPlan

POWER = PowerPlan(PLAN)


rule power_batch:
    input:
        info=lambda wildcards: POWER.fit_file(wildcards.model),
        estimates=lambda wildcards: POWER.fit_file(wildcards.model, "estimates.parquet"),
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        newdata=lambda wildcards: POWER.newdata_files(wildcards.model),
    output:
        draws="results/compare/{model}/power/{point}/{first}-{last}.parquet",
    log:
        "results/logs/power/{model}/{point}/{first}-{last}.log",
    wildcard_constraints:
        point=r"[0-9x]+|pilot",
        first=r"[0-9]+",
        last=r"[0-9]+",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes_of_fits(POWER.fits),
    params:
        sizes=lambda wildcards: POWER.points(wildcards.model)[wildcards.point],
        seed=lambda wildcards: POWER.seed(wildcards.model),
        settings=lambda wildcards: POWER.settings(wildcards.model),
        code=code_digest("power_batch"),
    message:
        "Simulate studies planned from {wildcards.model}, size {wildcards.point}: draws {wildcards.first} to {wildcards.last}"
    script:
        "../scripts/power_batch.py"


rule power_search:
    input:
        info=lambda wildcards: POWER.fit_file(wildcards.model),
        estimates=lambda wildcards: POWER.fit_file(wildcards.model, "estimates.parquet"),
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        newdata=lambda wildcards: POWER.newdata_files(wildcards.model),
    output:
        draws="results/compare/{model}/power/search.parquet",
    log:
        "results/logs/power/{model}/search.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes_of_fits(POWER.fits),
    params:
        search=lambda wildcards: POWER.search(wildcards.model),
        seed=lambda wildcards: POWER.seed(wildcards.model),
        settings=lambda wildcards: POWER.settings(wildcards.model),
        code=code_digest("power_search"),
    message:
        "Search the size of study planned from {wildcards.model}"
    script:
        "../scripts/power_search.py"


rule power:
    input:
        info=lambda wildcards: POWER.fit_file(wildcards.model),
        estimates=lambda wildcards: POWER.fit_file(wildcards.model, "estimates.parquet"),
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        newdata=lambda wildcards: POWER.newdata_files(wildcards.model),
        batches=lambda wildcards: POWER.batch_files(wildcards.model),
    output:
        power="results/compare/{model}/power.parquet",
        sizes="results/compare/{model}/power_sizes.parquet",
        csv=expand("results/compare/{{model}}/power{part}.csv", part=["", "_sizes"]),
    log:
        "results/logs/power/{model}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        points=lambda wildcards: list(POWER.points(wildcards.model).values()),
        factors=lambda wildcards: list(POWER.asked(wildcards.model).along),
        seed=lambda wildcards: POWER.seed(wildcards.model),
        settings=lambda wildcards: {
            **POWER.settings(wildcards.model),
            "wanted": POWER.wanted(wildcards.model),
        },
        code=code_digest("power"),
    message:
        "Sum up the power of studies planned from {wildcards.model}"
    script:
        "../scripts/power.py"

"""The ladder of a model: its structures side by side, and the tests between them."""


rule compare:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        fits=lambda wildcards: PLAN.fit_files("fit.json", model=wildcards.model),
        estimates=lambda wildcards: PLAN.fit_files(
            "estimates.parquet", model=wildcards.model
        ),
        timings=lambda wildcards: PLAN.fit_files(
            "timing.parquet", model=wildcards.model
        ),
        bootstrap=lambda wildcards: PLAN.bootstrap_files(wildcards.model),
    output:
        structures="results/compare/{model}/structures.parquet",
        tests="results/compare/{model}/tests.parquet",
        components="results/compare/{model}/components.parquet",
        timing="results/compare/{model}/structures_timing.parquet",
        csv=expand(
            "results/compare/{{model}}/{table}.csv",
            table=["structures", "tests", "components", "structures_timing"],
        ),
    log:
        "results/logs/compare/{model}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        seed=PLAN.config.seed,
        code=code_digest("compare"),
    message:
        "Compare the structures of {wildcards.model}"
    script:
        "../scripts/compare.py"


rule bootstrap:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
        fits=lambda wildcards: PLAN.fit_files(
            "fit.json", model=wildcards.model, shows="structures"
        ),
        estimates=lambda wildcards: PLAN.fit_files(
            "estimates.parquet", model=wildcards.model, shows="structures"
        ),
        timings=lambda wildcards: PLAN.fit_files(
            "timing.parquet", model=wildcards.model, shows="structures"
        ),
    output:
        draws="results/compare/{model}/bootstrap/{first}-{last}.parquet",
    log:
        "results/logs/bootstrap/{model}/{first}-{last}.log",
    wildcard_constraints:
        first=r"[0-9]+",
        last=r"[0-9]+",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("study"),
    params:
        seed=PLAN.config.seed,
        code=code_digest("bootstrap"),
    message:
        "Bootstrap the tests between structures of {wildcards.model}, draws {wildcards.first} to {wildcards.last}"
    script:
        "../scripts/bootstrap.py"

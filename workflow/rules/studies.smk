"""Studies of fits: how each was found and what it does, and races of optimisers."""

for job, studies in PLAN.studies().items():

    rule:
        name:
            job
        input:
            info="results/fits/{model}/{structure}/{optimizer}/fit.json",
            trace="results/fits/{model}/{structure}/{optimizer}/trace.parquet",
            estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
            data=lambda wildcards: PLAN.data_file(wildcards.model),
        output:
            expand(
                "results/fits/{{model}}/{{structure}}/{{optimizer}}/{table}.parquet",
                table=PLAN.study_tables(job),
            ),
        log:
            f"results/logs/{job}/{{model}}/{{structure}}/{{optimizer}}.log",
        conda:
            "../../environment.yml"
        threads: PLAN.config.threads
        resources:
            mem_mb=RESOURCES.memory("study"),
            runtime=RESOURCES.minutes("study"),
        params:
            studies=studies,
            code=code_digest("study", PLAN.study_modules(job)),
        message:
            "Study the "
            + (
                "fit"
                if job == "study"
                else job.removeprefix("study_").replace("_", " ")
            )
            + " of {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}"
        script:
            "../scripts/study.py"


rule race:
    input:
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        race="results/compare/{model}/race.parquet",
        ends="results/compare/{model}/race_ends.parquet",
        timing="results/compare/{model}/race_timing.parquet",
        csv=expand(
            "results/compare/{{model}}/{table}.csv",
            table=["race", "race_ends", "race_timing"],
        ),
    log:
        "results/logs/race/{model}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        model=lookup(dpath="models/{model}", within=PLAN.parameters),
        race=lookup(dpath="races/{model}", within=PLAN.parameters),
        seed=PLAN.config.seed,
        code=code_digest("race"),
    message:
        "Race the optimisers on {wildcards.model}"
    script:
        "../scripts/race.py"


rule phases:
    input:
        fits=PLAN.fit_files("fit.json"),
        traces=PLAN.fit_files("trace.parquet"),
        timings=PLAN.fit_files("timing.parquet"),
    output:
        phases="results/compare/phases.parquet",
        trend="results/compare/phases_trend.parquet",
        timing="results/compare/phases_timing.parquet",
        timing_trend="results/compare/phases_timing_trend.parquet",
    log:
        "results/logs/phases.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("tables"),
        runtime=RESOURCES.minutes("tables"),
    params:
        code=code_digest("phases"),
    message:
        "Put the phases of all optimisations together"
    script:
        "../scripts/phases.py"

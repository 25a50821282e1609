"""What follows from each fit where its model asks for it: tests, influence, intervals."""

from mixedscope.workflow.config.inference import OBSERVATION
from mixedscope.workflow.inference_plan import InferencePlan

INFERENCE = InferencePlan(PLAN)


rule tests:
    input:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        tests="results/fits/{model}/{structure}/{optimizer}/tests.parquet",
        csv="results/fits/{model}/{structure}/{optimizer}/tests.csv",
    log:
        "results/logs/tests/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes("study"),
    params:
        settings=lambda wildcards: INFERENCE.settings("tests", wildcards.model),
        code=code_digest("tests"),
    script:
        "../scripts/tests.py"


rule influence:
    input:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        influence="results/fits/{model}/{structure}/{optimizer}/influence.parquet",
        parameters="results/fits/{model}/{structure}/{optimizer}/influence_parameters.parquet",
        csv=expand(
            "results/fits/{{model}}/{{structure}}/{{optimizer}}/{table}.csv",
            table=["influence", "influence_parameters"],
        ),
    log:
        "results/logs/influence/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("study"),
        runtime=RESOURCES.minutes_of_fits(INFERENCE.influence_fits),
    params:
        settings=lambda wildcards: INFERENCE.settings("influence", wildcards.model),
        observation=OBSERVATION,
        code=code_digest("influence"),
    script:
        "../scripts/influence.py"

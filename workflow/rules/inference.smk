"""What follows from each fit where its model asks for it: tests, influence, intervals."""

from mixedscope.workflow.chart_tables import TABLES_OF_KEYS
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
    message:
        "Test effects of {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}"
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
    message:
        "Delete groups and rows of {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}"
    script:
        "../scripts/influence.py"


for pairs in (True, False):

    # Models have contours of pairs or none, hence a rule for each.
    rule:
        name:
            "profile_pairs" if pairs else "profile"
        input:
            info="results/fits/{model}/{structure}/{optimizer}/fit.json",
            own="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
            estimates=lambda wildcards: PLAN.fit_files(
                "estimates.parquet", model=wildcards.model, shows="structures"
            ),
            data=lambda wildcards: PLAN.data_file(wildcards.model),
        output:
            profile="results/fits/{model}/{structure}/{optimizer}/profile.parquet",
            others=expand(
                "results/fits/{{model}}/{{structure}}/{{optimizer}}/{table}",
                table=["profile_intervals.csv", *INFERENCE.profile_files(pairs)],
            ),
        log:
            "results/logs/profile/{model}/{structure}/{optimizer}.log",
        wildcard_constraints:
            model=INFERENCE.profiled_models(pairs),
        conda:
            "../../environment.yml"
        threads: PLAN.config.threads
        resources:
            mem_mb=RESOURCES.memory("study"),
            runtime=RESOURCES.minutes_of_fits(INFERENCE.profile_fits),
        params:
            settings=lambda wildcards: INFERENCE.settings("profile", wildcards.model),
            code=code_digest("profile"),
        message:
            "Profile {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}"
        script:
            "../scripts/profile.py"


rule fit_bootstrap_batch:
    input:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        estimates="results/fits/{model}/{structure}/{optimizer}/estimates.parquet",
        data=lambda wildcards: PLAN.data_file(wildcards.model),
    output:
        draws="results/fits/{model}/{structure}/{optimizer}/bootstrap/{first}-{last}.parquet",
    log:
        "results/logs/bootstrap/{model}/{structure}/{optimizer}/{first}-{last}.log",
    wildcard_constraints:
        first=r"[0-9]+",
        last=r"[0-9]+",
    conda:
        "../../environment.yml"
    threads: PLAN.config.threads
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes_of_fits(INFERENCE.bootstrap_fits),
    params:
        seed=lambda wildcards: INFERENCE.bootstrap_seed(wildcards.model),
        code=code_digest("fit_bootstrap_batch"),
    message:
        "Bootstrap {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}: draws {wildcards.first} to {wildcards.last}"
    script:
        "../scripts/fit_bootstrap_batch.py"


rule fit_bootstrap:
    input:
        info="results/fits/{model}/{structure}/{optimizer}/fit.json",
        batches=lambda wildcards: INFERENCE.bootstrap_files(
            f"results/fits/{wildcards.model}/{wildcards.structure}/{wildcards.optimizer}",
            wildcards.model,
        ),
    output:
        draws="results/fits/{model}/{structure}/{optimizer}/bootstrap.parquet",
        others=expand(
            "results/fits/{{model}}/{{structure}}/{{optimizer}}/{table}.parquet",
            table=[t for t in TABLES_OF_KEYS["bootstrap"] if t != "bootstrap"],
        ),
        csv="results/fits/{model}/{structure}/{optimizer}/bootstrap_intervals.csv",
    log:
        "results/logs/bootstrap/{model}/{structure}/{optimizer}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("fit"),
        runtime=RESOURCES.minutes("fit"),
    params:
        settings=lambda wildcards: INFERENCE.interval_settings(wildcards.model),
        code=code_digest("fit_bootstrap"),
    message:
        "Sum up the bootstrap of {wildcards.model}, {wildcards.structure}, {wildcards.optimizer}"
    script:
        "../scripts/fit_bootstrap.py"


# Tables have different formats, hence a rule for each.
for number, model in enumerate(PLAN.config.models, start=1):
    if PLAN.config.models[model].table is None:
        continue

    rule:
        name:
            f"table_{number}"
        input:
            fits=PLAN.fit_files("fit.json", model=model, shows="structures"),
            estimates=PLAN.fit_files(
                "estimates.parquet", model=model, shows="structures"
            ),
            data=PLAN.data_file(model),
            intervals=INFERENCE.printed_intervals(model),
        output:
            INFERENCE.printed_files(model),
        log:
            f"results/logs/table/{model}.log",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("fit"),
            runtime=RESOURCES.minutes("study"),
        params:
            settings=INFERENCE.printed_settings(model),
            code=code_digest("table", INFERENCE.printed_modules(model)),
        message:
            f"Write the table of {model}"
        script:
            "../scripts/table.py"

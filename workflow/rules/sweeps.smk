"""Sweeps: many small fits, batched; only runs that no stored batch holds are fitted."""

from mixedscope.sweeps.keys import INTERVAL_MODULES
from mixedscope.sweeps.plan import SweepPlan
from mixedscope.workflow.config.model import definitions_of

SWEEPS = SweepPlan(
    PLAN.config.sweeps,
    definitions_of(PLAN.config),
    code_digest("sweep_batch", INTERVAL_MODULES),
    PLAN.config.charts.formats,
    root=ROOT,
)


wildcard_constraints:
    sweep=r"[A-Za-z0-9_.-]+",
    batch=r"[0-9a-f]{16}",


rule sweep_plan:
    output:
        plan="results/sweeps/{sweep}/plan.json",
    log:
        "results/logs/sweeps/{sweep}/plan.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        content=lambda wildcards: SWEEPS.content(wildcards.sweep),
    message:
        "Plan the runs of the sweep {wildcards.sweep}"
    script:
        "../scripts/sweep_plan.py"


rule sweep_batch:
    input:
        data=lambda wildcards: SWEEPS.data_files(wildcards.sweep, wildcards.batch),
        # A batch is named after its runs: another plan changes nothing about it.
        plan=ancient("results/sweeps/{sweep}/plan.json"),
    output:
        results="results/sweeps/{sweep}/batches/{batch}.parquet",
        timing="results/sweeps/{sweep}/batches/{batch}.timing.parquet",
    log:
        "results/logs/sweeps/{sweep}/{batch}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.batch_memory(SWEEPS),
        runtime=RESOURCES.batch_minutes(SWEEPS),
    params:
        code=SWEEPS.code,
    message:
        "Fit a batch of runs of the sweep {wildcards.sweep}"
    script:
        "../scripts/sweep_batch.py"


rule sweep_gather:
    input:
        plan="results/sweeps/{sweep}/plan.json",
        batches=lambda wildcards: SWEEPS.batch_files(wildcards.sweep),
        timings=lambda wildcards: SWEEPS.timing_files(wildcards.sweep),
    output:
        runs="results/sweeps/{sweep}/runs.parquet",
        timing="results/sweeps/{sweep}/runs_timing.parquet",
        csv=expand(
            "results/sweeps/{{sweep}}/{table}.csv", table=["runs", "runs_timing"]
        ),
    log:
        "results/logs/sweeps/{sweep}/gather.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.gather_memory(SWEEPS),
        runtime=RESOURCES.minutes("tables"),
    params:
        code=code_digest("sweep_gather"),
    message:
        "Gather the runs of the sweep {wildcards.sweep}"
    script:
        "../scripts/sweep_gather.py"


rule sweep_performance:
    input:
        runs="results/sweeps/{sweep}/runs.parquet",
    output:
        performance="results/sweeps/{sweep}/performance.parquet",
        csv="results/sweeps/{sweep}/performance.csv",
    log:
        "results/logs/sweeps/{sweep}/performance.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.gather_memory(SWEEPS),
        runtime=RESOURCES.minutes("tables"),
    params:
        code=code_digest("sweep_performance"),
    message:
        "Sum up the runs of the sweep {wildcards.sweep}"
    script:
        "../scripts/sweep_performance.py"


for number, sweep in enumerate(SWEEPS.sweeps, start=1):

    rule:
        name:
            f"sweep_charts_{number}"
        input:
            runs=f"results/sweeps/{sweep}/runs.parquet",
            timing=f"results/sweeps/{sweep}/runs_timing.parquet",
            assets=ancient(ASSETS),
        output:
            charts=SWEEPS.chart_files(sweep),
        log:
            f"results/logs/sweeps/{sweep}/charts.log",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("draw"),
            runtime=RESOURCES.minutes("draw"),
        params:
            charts=SWEEPS.charts(sweep),
            settings=PLAN.parameters["charts"],
            formats=PLAN.config.charts.formats,
            code=code_digest("sweep_charts"),
        message:
            f"Draw the charts of the sweep {sweep}"
        script:
            "../scripts/sweep_charts.py"

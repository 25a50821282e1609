"""Fit the runs of one batch of a sweep."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.sweep_batch(
        plan=snakemake.input.plan,
        batch=snakemake.wildcards.batch,
        data=snakemake.input.get("data", []),
        code=snakemake.params.code,
        output=snakemake.output.results,
        timing=snakemake.output.timing,
    )

"""Fit the runs of one batch of a sweep."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.sweep_batch(
        plan=snakemake.input.plan,
        batch=snakemake.wildcards.batch,
        data=snakemake.input.get("data", []),
        code=snakemake.params.code,
        output=snakemake.output.results,
        timing=snakemake.output.timing,
    )

"""Gather the batches of a sweep into the table of its runs."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.sweep_gather(
        plan=snakemake.input.plan,
        batches=snakemake.input.batches,
        timings=snakemake.input.timings,
        output=snakemake.output.runs,
        timing=snakemake.output.timing,
    )

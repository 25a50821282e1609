"""Gather the batches of a sweep into the table of its runs."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.sweep_gather(
        plan=snakemake.input.plan,
        batches=snakemake.input.batches,
        timings=snakemake.input.timings,
        output=snakemake.output.runs,
        timing=snakemake.output.timing,
    )

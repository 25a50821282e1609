"""Write down the runs of a sweep and their batches."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.sweep_plan(content=snakemake.params.content, output=snakemake.output.plan)

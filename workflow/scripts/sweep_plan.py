"""Write down the runs of a sweep and their batches."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.sweep_plan(content=snakemake.params.content, output=snakemake.output.plan)

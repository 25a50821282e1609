"""Tell how the intervals and tests of a sweep perform over its replicates."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.sweep_performance(runs=snakemake.input.runs, output=snakemake.output.performance)

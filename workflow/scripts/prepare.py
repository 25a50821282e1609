"""Prepare one data set."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.prepare(
        spec=snakemake.params.spec,
        source=snakemake.params.source,
        output=snakemake.output.data,
    )

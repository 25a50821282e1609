"""Prepare one data set."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.prepare(
        spec=snakemake.params.spec,
        source=snakemake.params.source,
        output=snakemake.output.data,
    )

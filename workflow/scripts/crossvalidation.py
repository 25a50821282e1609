"""Predict parts of the data from the rest by every structure."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.crossvalidation(
        data=snakemake.input.data,
        model=snakemake.params.model,
        **snakemake.params.crossvalidation,
        output=snakemake.output.summary,
    )

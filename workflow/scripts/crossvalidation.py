"""Predict parts of the data from the rest by every structure."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.crossvalidation(
        data=snakemake.input.data,
        model=snakemake.params.model,
        **snakemake.params.crossvalidation,
        output=snakemake.output.summary,
    )

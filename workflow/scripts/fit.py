"""Fit one model with one structure by one optimiser."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.fit(
        data=snakemake.input.data,
        output=snakemake.output.info,
        name=snakemake.wildcards.model,
        model=snakemake.params.model,
        structure=snakemake.wildcards.structure,
        optimizer=snakemake.params.optimizer,
        seed=snakemake.params.seed,
        keyframes=snakemake.params.keyframes,
    )

"""Compute the conditional modes of one fit, at its optimum and at its keyframes."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.modes(
        fit=snakemake.input.info,
        keyframes=snakemake.params.keyframes,
    )

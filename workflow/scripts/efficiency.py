"""Gather the batches of a simulation, and sum them up."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.efficiency(
        fits=snakemake.input.fits,
        count=snakemake.params.wanted,
        seed=snakemake.params.seed,
        draws=snakemake.input.draws,
        refits=snakemake.input.refits,
        timings=snakemake.input.timings,
        output=snakemake.output.summary,
    )

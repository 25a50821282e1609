"""Gather the batches of a simulation, and sum them up."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.efficiency(
        fits=snakemake.input.fits,
        count=snakemake.params.wanted,
        seed=snakemake.params.seed,
        draws=snakemake.input.draws,
        refits=snakemake.input.refits,
        timings=snakemake.input.timings,
        output=snakemake.output.summary,
    )

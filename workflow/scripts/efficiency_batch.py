"""Draw some responses from the first fit of a model, and refit them by all structures."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.efficiency_batch(
        fits=snakemake.input.fits,
        blocks=snakemake.params.blocks,
        seed=snakemake.params.seed,
        key=snakemake.params.key,
        draws=snakemake.output.draws,
        refits=snakemake.output.refits,
        timing=snakemake.output.timing,
    )

"""Compare the structures of one model."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.compare(
        fits=snakemake.input.fits,
        bootstrap=snakemake.input.bootstrap,
        seed=snakemake.params.seed,
        output=snakemake.output.structures,
    )

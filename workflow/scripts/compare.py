"""Compare the structures of one model."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.compare(
        fits=snakemake.input.fits,
        bootstrap=snakemake.input.bootstrap,
        seed=snakemake.params.seed,
        output=snakemake.output.structures,
    )

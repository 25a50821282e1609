"""Compare the structures of one model."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.compare(
        fits=snakemake.input.fits,
        output=snakemake.output.structures,
    )

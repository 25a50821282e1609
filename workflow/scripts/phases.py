"""Gather the phases of all optimisations of a run."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.phases(fits=snakemake.input.fits, output=snakemake.output.phases)

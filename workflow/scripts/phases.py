"""Gather the phases of all optimisations of a run."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.phases(fits=snakemake.input.fits, output=snakemake.output.phases)

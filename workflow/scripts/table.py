"""Set the structures of one model side by side."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.table(
        fits=snakemake.input.fits,
        intervals=snakemake.input.intervals,
        settings=snakemake.params.settings,
        output=snakemake.output,
    )

"""Make the films of one chart, in every format."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.films(
        fits=snakemake.input.fits,
        shows=snakemake.params.shows,
        settings=snakemake.params.settings,
        output=snakemake.output,
    )

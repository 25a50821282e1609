"""Draw charts of one model, in every format."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.charts(
        fits=snakemake.input.fits,
        tables=snakemake.input.get("compared", []),
        shows=snakemake.params.shows,
        settings=snakemake.params.settings,
        output=snakemake.output.captions,
        formats=snakemake.params.formats,
        assets=snakemake.input.assets,
    )

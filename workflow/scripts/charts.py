"""Draw charts of one model, in every format."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.charts(
        fits=snakemake.input.fits,
        tables=snakemake.input.get("compared", []),
        shows=snakemake.params.shows,
        settings=snakemake.params.settings,
        output=snakemake.output.captions,
        formats=snakemake.params.formats,
    )

"""Draw the race of one model, in every format."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.race_chart(
        race=snakemake.input.race,
        chart=snakemake.wildcards.chart,
        settings=snakemake.params.settings,
        output=snakemake.output.caption,
        formats=snakemake.params.formats,
    )

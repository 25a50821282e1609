"""Draw a chart of one model that has tables of its own, in every format."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.model_chart(
        tables=snakemake.input.tables,
        chart=snakemake.wildcards.chart,
        settings=snakemake.params.settings,
        output=snakemake.output.caption,
        formats=snakemake.params.formats,
    )

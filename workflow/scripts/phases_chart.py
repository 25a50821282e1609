"""Draw the phases of all optimisations of a run, in every format."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.phases_chart(
        phases=snakemake.input.phases,
        chart=snakemake.wildcards.chart,
        settings=snakemake.params.settings,
        output=snakemake.output.caption,
        formats=snakemake.params.formats,
    )

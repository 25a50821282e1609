"""Draw the charts of a sweep, in every format."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.sweep_charts(
        runs=snakemake.input.runs,
        timing=snakemake.input.timing,
        charts=snakemake.params.charts,
        settings=snakemake.params.settings,
        output=[path for path in snakemake.output.charts if path.endswith(".caption.json")],
        formats=snakemake.params.formats,
    )

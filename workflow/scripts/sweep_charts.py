"""Draw the charts of a sweep, in every format."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.sweep_charts(
        runs=snakemake.input.runs,
        timing=snakemake.input.timing,
        charts=snakemake.params.charts,
        settings=snakemake.params.settings,
        output=[path for path in snakemake.output.charts if path.endswith(".caption.json")],
        formats=snakemake.params.formats,
        assets=snakemake.input.assets,
    )

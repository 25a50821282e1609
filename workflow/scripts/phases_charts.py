"""Draw the phases of all optimisations of a run, in every format."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.phases_charts(
        phases=snakemake.input.phases,
        settings=snakemake.params.settings,
        output=snakemake.output.captions,
        formats=snakemake.params.formats,
        assets=snakemake.input.assets,
    )

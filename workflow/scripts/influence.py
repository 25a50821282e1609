"""Leave observations or groups out of one fit, one at a time."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.influence(
        fit=snakemake.input.info,
        settings=snakemake.params.settings,
        observation=snakemake.params.observation,
        output=snakemake.output.influence,
    )

"""Profile the parameters of one fit."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.profile(
        fit=snakemake.input.info,
        estimates=snakemake.input.estimates,
        settings=snakemake.params.settings,
        output=snakemake.output.profile,
    )

"""Test the fixed effects of one fit."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.tests(
        fit=snakemake.input.info,
        settings=snakemake.params.settings,
        output=snakemake.output.tests,
    )

"""Search for the smallest planned study with the power that is wanted."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.power_search(
        fit=snakemake.input.info,
        newdata=snakemake.input.newdata,
        search=snakemake.params.search,
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
        output=snakemake.output.draws,
    )

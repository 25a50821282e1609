"""Put the draws of one fit together, and give intervals."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.fit_bootstrap(
        fit=snakemake.input.info,
        batches=snakemake.input.batches,
        settings=snakemake.params.settings,
        output=snakemake.output.draws,
    )

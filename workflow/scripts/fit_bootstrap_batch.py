"""Draw a part of the parametric bootstrap of one fit."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.fit_bootstrap_batch(
        fit=snakemake.input.info,
        draws=(int(snakemake.wildcards.first), int(snakemake.wildcards.last) + 1),
        seed=snakemake.params.seed,
        output=snakemake.output.draws,
    )

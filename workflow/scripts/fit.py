"""Fit one model with one structure by one optimiser."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.fit(
        data=snakemake.input.data,
        output=snakemake.output.info,
        name=snakemake.wildcards.model,
        model=snakemake.params.model,
        structure=snakemake.wildcards.structure,
        optimizer=snakemake.params.optimizer,
        seed=snakemake.params.seed,
        keyframes=snakemake.params.keyframes,
    )

"""Let optimisers race on one objective of a model."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.race(
        data=snakemake.input.data,
        model=snakemake.params.model,
        race=snakemake.params.race,
        seed=snakemake.params.seed,
        output=snakemake.output.race,
        ends=snakemake.output.ends,
        timing=snakemake.output.timing,
    )

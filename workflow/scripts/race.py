"""Let optimisers race on one objective of a model."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.race(
        data=snakemake.input.data,
        model=snakemake.params.model,
        race=snakemake.params.race,
        seed=snakemake.params.seed,
        output=snakemake.output.race,
        ends=snakemake.output.ends,
        timing=snakemake.output.timing,
    )

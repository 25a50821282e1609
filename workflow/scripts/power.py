"""Put the draws of planned studies of all sizes together, and sum them up."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.power(
        fit=snakemake.input.info,
        newdata=snakemake.input.newdata,
        points=snakemake.params.points,
        factors=snakemake.params.factors,
        batches=snakemake.input.batches,
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
        output=snakemake.output.power,
    )

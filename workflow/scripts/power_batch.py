"""Draw, fit and test some planned studies of one size."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.power_batch(
        fit=snakemake.input.info,
        newdata=snakemake.input.newdata,
        sizes=snakemake.params.sizes,
        draws=(int(snakemake.wildcards.first), int(snakemake.wildcards.last) + 1),
        seed=snakemake.params.seed,
        settings=snakemake.params.settings,
        output=snakemake.output.draws,
    )

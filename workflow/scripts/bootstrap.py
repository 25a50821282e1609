"""Draw a part of the bootstrap of the tests between the structures of a model."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.bootstrap(
        fits=snakemake.input.fits,
        draws=(int(snakemake.wildcards.first), int(snakemake.wildcards.last) + 1),
        seed=snakemake.params.seed,
        output=snakemake.output.draws,
    )

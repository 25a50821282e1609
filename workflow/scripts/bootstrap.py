"""Draw a part of the bootstrap of the tests between the structures of a model."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.bootstrap(
        fits=snakemake.input.fits,
        draws=(int(snakemake.wildcards.first), int(snakemake.wildcards.last) + 1),
        seed=snakemake.params.seed,
        output=snakemake.output.draws,
    )

"""Study one fit: its optimisation, and what it does to groups."""

from mixedscope import pipeline

with pipeline.job(snakemake.log[0], threads=snakemake.threads):
    pipeline.study(fit=snakemake.input.info, studies=snakemake.params.studies)

"""Study one fit: its optimisation, and what it does to groups."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.study(fit=snakemake.input.info, studies=snakemake.params.studies)

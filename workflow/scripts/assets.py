"""Write what the interactive pages of a run share."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.assets(output=snakemake.output.asset[0])

"""Write the page that shows every figure of the run."""

from mixedscope.workflow import steps

with steps.job(snakemake.log[0], threads=snakemake.threads):
    steps.index(
        structures=snakemake.input.structures,
        captions=snakemake.input.captions,
        together=snakemake.input.together,
        fits=snakemake.input.fits,
        tables=snakemake.input.tables,
        inference=snakemake.input.inference,
        printed=snakemake.input.printed,
        output=snakemake.output.index,
        timing=snakemake.output.timing,
        report=snakemake.output.report,
        assets=snakemake.input.assets,
        labels=snakemake.params.labels,
        units=snakemake.params.units,
    )

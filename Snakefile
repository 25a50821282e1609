# mixedscope: every model of the configuration, fitted, compared and drawn.
#
#     snakemake --cores 4                                     config/config.yaml
#     snakemake --cores 4 --configfile config/small.yaml      another configuration
#
# Results are described in results/README.md, the configuration in config/README.md.

import os

from snakemake.utils import min_version

min_version("9.0")

# A configuration of the command line replaces the default one (Snakemake would merge them).
if not workflow.overwrite_configfiles and "models" not in config:

    configfile: os.path.join(workflow.basedir, "config", "config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/fits.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/efficiency.smk"
include: "workflow/rules/charts.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/index.smk"


rule all:
    default_target: True
    input:
        "results/index.html",
        SWEEPS.targets(),

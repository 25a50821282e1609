"""The files of a new project; ``{...}`` is filled in by `mixedscope.cli.project`."""

from __future__ import annotations

from typing import Final

__all__ = ["CONFIG", "IGNORED", "README", "SNAKEFILE"]

CONFIG: Final = """\
# What is read, fitted and drawn. A mistyped key is an error that says which was meant;
# `mixedscope keys` prints the page that explains every key.

datasets:
  {name}:
    source: {source}
{settings}\
    # As read, {rows} rows:
{columns}\
    # Text is categorical, numbers are not. Codes of conditions are declared, in the order of their
    # levels, the first being the base:
    {declared}
    # derive: {{log_rt: log(rt)}}        # new columns
    # filter: rt > 200                  # rows to keep
    # missing: [NA, ".", -999]          # what stands for a missing value

models:
  first:
    dataset: {name}
    # {said}
    formula: {formula}
{family}\
    # Families, under the key family: binomial (0/1, or cbind(hits, trials - hits) ~ ...), poisson,
    # nbinom2 and nbinom1 (counts), gamma (positive numbers), beta (shares); without it linear.
    # Covariance structures to compare, the richest first: full, zerocorr (no correlations),
    # intercept, and cs, homcs, homdiag, ar1, hetar1, rr1, ...
    structures: [{structures}]
    # criterion: REML                   # ML is the default
    # contrasts: {{condition: sum}}
    # What else is computed, drawn and put on the page of the model:
    # tests: {{df: satterthwaite}}       # of coefficients and terms
    # profile: true                     # intervals of all parameters
    # bootstrap: {{draws: 1000}}
    # influence: true
    # table: {{formats: [word, latex]}}  # for the paper

charts:
  formats: [svg, pdf, html]             # and png, vl.json
  # width: 85                           # millimetres, for a column of a journal
  # labels: {{rt: Reading time}}
  # units: {{rt: ms}}
"""

SNAKEFILE: Final = """\
# snakemake --cores 4      runs config.yaml; results/index.html shows every figure.
#
# The rules are those of the installed package `mixedscope`: when it is updated they are, and the
# next run makes anew what that changes.

from mixedscope.workflow.location import readable_config, snakefile

# Another configuration on the command line (--configfile) takes the place of this one.
if not workflow.overwrite_configfiles:

    configfile: readable_config("config.yaml")


include: snakefile()


# What else the paper is made of goes here: rules of its own, with their files as further input.
rule paper:
    default_target: True
    input:
        rules.all.input,
    message:
        "Everything is made"
"""

IGNORED: Final = """\
.snakemake/
results/
"""

README: Final = """\
# {name}

Made by `mixedscope init`. In this folder

```sh
snakemake --cores 4
```

reads `{source}`, fits the models of `config.yaml` and draws them. `results/index.html` shows every
figure; tables of estimates are in `results/fits/`, as CSV too.

| | |
|---|---|
| `config.yaml` | data, models, charts: after a change run again, what depends on it is made anew |
| `Snakefile` | uses the workflow of the installed package; rules of your own go there |
| `profiles/` | settings of Snakemake; on a cluster `snakemake --profile profiles/slurm` |
| `results/` | made by the run, left out of version control |

`snakemake --report report.html` puts every figure into one file to hand on. After a crash
`snakemake --unlock`, then run again. `python -m mixedscope` says which versions are installed: note
them with the paper.

Where `snakemake` is not found: `pip install 'mixedscope[workflow]'`, best in a virtual environment.
"""

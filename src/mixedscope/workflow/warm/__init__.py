"""Jobs on one machine start from a process that has loaded what they need, as forks of it.

A job of a second spends most of it on loading pandas, numba and compiled code. `warm_python` gives
Snakemake the command of its scripts: a client of a few milliseconds (`client`) that hands its
arguments, its environment and its files to a server (`server`), which loads what the script's step
imports, once, and forks. The fork runs the script as a process of its own would; its exit code is
the client's. Where there is no server, or it cannot fork, the client becomes the plain process that
it stands for.
"""

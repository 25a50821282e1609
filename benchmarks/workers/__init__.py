"""One program for each competitor: it loads a data set once and fits it when told to.

These modules run under whatever interpreter has the competitor installed, so they import nothing
of mixedscope (but for its own worker) and nothing of the runner.
"""

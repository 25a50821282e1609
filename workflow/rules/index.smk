"""The page that shows every figure of the run with its caption and numbers."""


rule index:
    input:
        structures=PLAN.compare_files(),
        captions=PLAN.chart_files("caption.json"),
        modes_traces=PLAN.fit_files("modes_trace.parquet"),
    output:
        index="results/index.html",
    log:
        "results/logs/index.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("index"),
    script:
        "../scripts/index.py"

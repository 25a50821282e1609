"""Charts: one job per chart, in every format, with its caption beside it."""


rule chart:
    input:
        fits=lambda wildcards: chart_fits(wildcards, "fit.json"),
        traces=lambda wildcards: chart_fits(wildcards, "trace.parquet"),
        estimates=lambda wildcards: chart_fits(wildcards, "estimates.parquet"),
        modes=lambda wildcards: chart_fits(wildcards, "modes.parquet"),
    output:
        charts=expand(
            "results/charts/{{model}}/{{chart}}.{format}",
            format=PLAN.config.charts.formats,
        ),
        caption="results/charts/{model}/{chart}.caption.json",
    log:
        "results/logs/charts/{model}/{chart}.log",
    conda:
        "../../environment.yml"
    params:
        settings=PLAN.parameters["charts"],
        formats=PLAN.config.charts.formats,
        code=code_digest("chart"),
    script:
        "../scripts/chart.py"

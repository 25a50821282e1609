"""Charts: one job per chart, in every format, with its caption beside it."""

from mixedscope.charts.model_charts import MODEL_CHARTS

FILMS = "|".join(PLAN.film_kinds()) or "(?!)"
OWN = "|".join(MODEL_CHARTS)


rule chart:
    input:
        fits=lambda wildcards: PLAN.chart_fits(wildcards.model, wildcards.chart),
        tables=lambda wildcards: PLAN.chart_tables(wildcards.model, wildcards.chart),
    output:
        charts=expand(
            "results/charts/{{model}}/{{chart}}.{format}",
            format=PLAN.config.charts.formats,
        ),
        caption="results/charts/{model}/{chart}.caption.json",
    log:
        "results/logs/charts/{model}/{chart}.log",
    wildcard_constraints:
        # Names end where their extension begins.
        chart=rf"(?!(?:{OWN}|{FILMS})[-.])[^/]+",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("draw"),
        runtime=RESOURCES.minutes("draw"),
    params:
        settings=PLAN.parameters["charts"],
        formats=PLAN.config.charts.formats,
        code=code_digest("chart"),
    script:
        "../scripts/chart.py"


use rule chart as film with:
    output:
        charts=expand(
            "results/charts/{{model}}/{{chart}}.{format}",
            format=PLAN.film_formats(),
        ),
        caption="results/charts/{model}/{chart}.caption.json",
    wildcard_constraints:
        chart=rf"(?:{FILMS})(?:-[^/]+)?",
    params:
        settings=PLAN.parameters["charts"],
        formats=PLAN.film_formats(),
        code=code_digest("chart"),


rule model_chart:
    input:
        tables=lambda wildcards: PLAN.model_chart_tables(wildcards.model, wildcards.chart),
    output:
        charts=expand(
            "results/charts/{{model}}/{{chart}}.{format}",
            format=PLAN.config.charts.formats,
        ),
        caption="results/charts/{model}/{chart}.caption.json",
    log:
        "results/logs/charts/{model}/{chart}.log",
    wildcard_constraints:
        chart=OWN,
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("draw"),
        runtime=RESOURCES.minutes("draw"),
    params:
        settings=PLAN.parameters["charts"],
        formats=PLAN.config.charts.formats,
        code=code_digest("model_chart"),
    script:
        "../scripts/model_chart.py"


rule phases_chart:
    input:
        phases=rules.phases.output.phases,
        trend=rules.phases.output.trend,
        timing=rules.phases.output.timing,
        timing_trend=rules.phases.output.timing_trend,
    output:
        charts=expand(
            "results/charts/{{chart}}.{format}",
            format=PLAN.config.charts.formats,
        ),
        caption="results/charts/{chart}.caption.json",
    log:
        "results/logs/charts/{chart}.log",
    wildcard_constraints:
        chart=r"phases(?:-seconds)?",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("draw"),
        runtime=RESOURCES.minutes("draw"),
    params:
        settings=PLAN.parameters["charts"],
        formats=PLAN.config.charts.formats,
        code=code_digest("phases_chart"),
    script:
        "../scripts/phases_chart.py"

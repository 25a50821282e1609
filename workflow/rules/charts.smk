"""Charts: one job draws those of a model, in every format, with captions beside them; what moves is
drawn by another, charts of a costly study by a third, the page that links all by a fourth, and each
film of what moves has its own.
"""

import re

ASSETS = PLAN.asset_files()

if ASSETS:

    # What interactive pages share, once; named after what it is made of: pages need no other when it
    # is made again.
    rule assets:
        output:
            asset=ASSETS,
        log:
            "results/logs/charts/assets.log",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("tables"),
            runtime=RESOURCES.minutes("tables"),
        params:
            code=code_digest("assets"),
        message:
            "Make what interactive pages share"
        script:
            "../scripts/assets.py"


# Models have different charts, hence rules of their own.
for rule_name, model, drawn in PLAN.drawing_jobs():

    rule:
        name:
            rule_name
        input:
            fits=PLAN.drawn_fits(model, drawn),
            tables=PLAN.drawn_tables(model, drawn),
            compared=PLAN.drawn_compared(model, drawn),
            assets=ancient(ASSETS),
        output:
            charts=expand(
                "results/charts/{{model}}/{chart}.{format}",
                chart=drawn,
                format=PLAN.config.charts.formats,
            ),
            captions=expand(
                "results/charts/{{model}}/{chart}.caption.json",
                chart=drawn,
            ),
        log:
            f"results/logs/charts/{{model}}/{rule_name}.log",
        wildcard_constraints:
            model=re.escape(model),
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("draw"),
            runtime=RESOURCES.minutes("draw"),
        params:
            shows=PLAN.shown(model, drawn),
            settings=PLAN.chart_settings(drawn),
            formats=PLAN.config.charts.formats,
            code=code_digest("charts", PLAN.chart_modules(drawn)),
        message:
            f"Draw {counted(len(drawn), 'chart')} of {{wildcards.model}}"
        script:
            "../scripts/charts.py"


rule film:
    input:
        fits=lambda wildcards: PLAN.chart_fits(wildcards.model, wildcards.chart),
        tables=lambda wildcards: PLAN.chart_tables(wildcards.model, wildcards.chart),
    output:
        expand(
            "results/charts/{{model}}/{{chart}}.{format}",
            format=PLAN.film_formats() or ["gif"],
        ),
    log:
        "results/logs/films/{model}/{chart}.log",
    wildcard_constraints:
        chart=rf"(?:{'|'.join(PLAN.film_kinds()) or '(?!)'})(?:-[^/]+)?",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("film"),
        runtime=RESOURCES.minutes("draw"),
    params:
        shows=lambda wildcards: PLAN.shown(wildcards.model, [wildcards.chart]),
        settings=lambda wildcards: PLAN.chart_settings([wildcards.chart]),
        code=lambda wildcards: code_digest(
            "films", PLAN.chart_modules([wildcards.chart])
        ),
    message:
        "Draw the film {wildcards.chart} of {wildcards.model}"
    script:
        "../scripts/films.py"


rule phases_charts:
    input:
        phases=rules.phases.output.phases,
        trend=rules.phases.output.trend,
        timing=rules.phases.output.timing,
        timing_trend=rules.phases.output.timing_trend,
        assets=ancient(ASSETS),
    output:
        charts=expand(
            "results/charts/{chart}.{format}",
            chart=TOGETHER,
            format=PLAN.config.charts.formats,
        ),
        captions=expand("results/charts/{chart}.caption.json", chart=TOGETHER),
    log:
        "results/logs/charts/phases.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("draw"),
        runtime=RESOURCES.minutes("draw"),
    params:
        settings=PLAN.chart_settings([]),
        formats=PLAN.config.charts.formats,
        code=code_digest("phases_charts"),
    message:
        "Draw how the optimisations of all models went"
    script:
        "../scripts/phases_charts.py"

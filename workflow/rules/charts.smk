"""Charts: one job draws those of a model, in every format, with captions beside them; what moves, and
charts of a costly study, have a job each, and so have the films of what moves."""

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
        script:
            "../scripts/assets.py"


# Models have different charts, hence a rule for each.
for number, model in enumerate(PLAN.config.models, start=1):

    rule:
        name:
            f"charts_{number}"
        input:
            fits=PLAN.still_fits(model),
            tables=PLAN.still_tables(model),
            compared=PLAN.still_compared(model),
            assets=ancient(ASSETS),
        output:
            charts=expand(
                "results/charts/{{model}}/{chart}.{format}",
                chart=PLAN.still_charts(model),
                format=PLAN.config.charts.formats,
            ),
            captions=expand(
                "results/charts/{{model}}/{chart}.caption.json",
                chart=PLAN.still_charts(model),
            ),
        log:
            "results/logs/charts/{model}.log",
        wildcard_constraints:
            model=re.escape(model),
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("draw"),
            runtime=RESOURCES.minutes("draw"),
        params:
            shows=PLAN.shown(model, PLAN.still_charts(model)),
            settings=PLAN.chart_settings(PLAN.still_charts(model)),
            formats=PLAN.config.charts.formats,
            code=code_digest("charts", PLAN.chart_modules(PLAN.still_charts(model))),
        script:
            "../scripts/charts.py"


# Charts that are drawn alone: what moves has settings of its own, others wait for a study that takes
# long.
for rule_name, kinds in (
    ("animation", PLAN.film_kinds()),
    ("costly_chart", PLAN.costly_kinds()),
):

    rule:
        name:
            rule_name
        input:
            fits=lambda wildcards: PLAN.chart_fits(wildcards.model, wildcards.chart),
            tables=lambda wildcards: PLAN.chart_tables(wildcards.model, wildcards.chart),
            assets=ancient(ASSETS),
        output:
            charts=expand(
                "results/charts/{{model}}/{{chart}}.{format}",
                format=PLAN.config.charts.formats,
            ),
            captions=["results/charts/{model}/{chart}.caption.json"],
        log:
            "results/logs/charts/{model}/{chart}.log",
        wildcard_constraints:
            # Names end where their extension begins.
            chart=rf"(?:{'|'.join(kinds) or '(?!)'})(?:-[^/]+)?",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=RESOURCES.memory("draw"),
            runtime=RESOURCES.minutes("draw"),
        params:
            shows=lambda wildcards: PLAN.shown(wildcards.model, [wildcards.chart]),
            settings=lambda wildcards: PLAN.chart_settings([wildcards.chart]),
            formats=PLAN.config.charts.formats,
            code=lambda wildcards: code_digest(
                "charts", PLAN.chart_modules([wildcards.chart])
            ),
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
    script:
        "../scripts/phases_charts.py"

"""The page that shows every figure of the run with its caption and numbers."""


rule index:
    input:
        structures=PLAN.compare_files(),
        captions=PLAN.caption_files(),
        together=PLAN.together_files() + SWEEPS.caption_files(),
    output:
        index="results/index.html",
        timing="results/timing.html",
    log:
        "results/logs/index.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("tables"),
        runtime=RESOURCES.minutes("tables"),
    params:
        code=code_digest("index"),
    script:
        "../scripts/index.py"

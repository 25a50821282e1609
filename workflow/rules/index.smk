"""The pages that show every figure of the run, and the figures for the report of Snakemake."""

from mixedscope.charts.common.encoder import film_encoder
from mixedscope.workflow.report.entries import caption_file, entries, thumbnail_files

# Pages link to films that are asked for, by the configuration or as a target, and to those that are
# there: none of these is stale.
FILMS_ASKED = PLAN.config.charts.films or any(
    argument == "films" or argument.endswith("_films") for argument in sys.argv
)
# Before anything runs, not after the hour that comes before the films.
if FILMS_ASKED and workflow.is_main_process and "mp4" in PLAN.film_formats():
    try:
        film_encoder()
    except MixedscopeError as error:
        raise WorkflowError(str(error)) from None

FILMS = [
    film
    for film in PLAN.film_files()
    if FILMS_ASKED or Path(ROOT, *Path(film).parts[1:]).exists()
]

FIGURES = PLAN.caption_files() + PLAN.together_files() + SWEEPS.caption_files()


rule index:
    input:
        structures=PLAN.compare_files(),
        fits=PLAN.fit_files("fit.json"),
        estimates=PLAN.fit_files("estimates.parquet"),
        tables=PLAN.shown_tables() + SWEEPS.table_files(),
        inference=INFERENCE.table_files(),
        printed=INFERENCE.printed_files(),
        csv=PLAN.csv_files() + INFERENCE.csv_files() + SWEEPS.csv_files(),
        assets=ancient(ASSETS),
        captions=PLAN.caption_files(),
        together=PLAN.together_files() + SWEEPS.caption_files(),
        films=FILMS,
        figures=[
            report(
                entry.file,
                caption=entry.caption if workflow.current_basedir.is_local else None,
                category=entry.category,
                subcategory=entry.subcategory,
                labels=entry.labels,
            )
            for entry in entries(FIGURES, PLAN.config.charts.formats, ROOT)
        ],
    output:
        index="results/index.html",
        timing="results/timing.html",
        pages=PLAN.page_files() + SWEEPS.page_files(),
        thumbnails=thumbnail_files(
            PLAN.caption_files() + SWEEPS.caption_files(), PLAN.config.charts.formats
        ),
        report=[caption_file(caption) for caption in FIGURES],
    log:
        "results/logs/index.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=RESOURCES.memory("tables"),
        runtime=RESOURCES.minutes("tables"),
    params:
        labels=PLAN.config.charts.labels,
        units=PLAN.config.charts.units,
        code=code_digest("index"),
    message:
        "Write the pages that show every figure"
    script:
        "../scripts/index.py"

# The workflow is workflow/Snakefile. This one is for `--snakefile` from elsewhere, which also finds
# profiles/default beside it.


include: "workflow/Snakefile"


# An included default target is none: without this nothing would run.
rule default:
    default_target: True
    input:
        rules.all.input,
    message:
        "All pages and figures are made"

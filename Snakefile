# The entry point of a checkout; the workflow catalogue and other workflows use workflow/Snakefile.


include: "workflow/Snakefile"


# An included file cannot set it.
workflow.default_target = "all"

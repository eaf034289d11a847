# The entry point of a checkout; the workflow catalogue and other workflows use workflow/Snakefile.


module advdim:
    snakefile:
        "workflow/Snakefile"
    config:
        config


use rule * from advdim

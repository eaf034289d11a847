# The entry point of a checkout; the workflow catalogue and other workflows use workflow/Snakefile.


if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


module advdim:
    snakefile:
        "workflow/Snakefile"
    config:
        config


use rule * from advdim

# Lower bounds per cell, whatever attacks it.


rule bounds:
    input:
        **inputs("train", "network"),
        **inputs("pixels", "pixels"),
    output:
        **outputs("bounds"),
    log:
        log_of("bounds"),
    group:
        group_of
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        **resources("bounds"),
    params:
        **params("bounds"),
    script:
        "../scripts/result.py"

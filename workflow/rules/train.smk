# One network per cell, measured as it is trained.


rule train:
    input:
        **inputs("pixels", "pixels"),
    output:
        **outputs("train"),
    log:
        log_of("train"),
    group:
        group_of
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        **resources("train"),
    params:
        **params("train"),
    script:
        "../scripts/result.py"

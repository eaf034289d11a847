# One network per cell, measured as it is trained, or as it comes with its weights.


rule train:
    input:
        **inputs("pixels", "pixels"),
        weights=lambda wildcards: map(
            ancient, CONFIG.networks[wildcards.network].files()
        ),
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

# One file of pixels per (dataset, size).


rule pixels:
    input:
        lambda wildcards: map(
            ancient, CONFIG.datasets[wildcards.dataset].files().values()
        ),
    output:
        **outputs("pixels"),
    log:
        log_of("pixels"),
    conda:
        "../../envs/advdim.yaml"
    # Decoding takes its time; the result does not depend on the threads.
    threads: lambda wildcards: 4 if CONFIG.datasets[wildcards.dataset].decoded else 1
    resources:
        **resources("pixels"),
    params:
        **params("pixels"),
    script:
        "../scripts/result.py"

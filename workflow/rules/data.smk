# One file of pixels per (dataset, size).


rule pixels:
    input:
        lambda wildcards: CONFIG.datasets[wildcards.dataset].files(),
    output:
        f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
    log:
        f"{RESULTS}/logs/pixels/dataset={{dataset}}/size={{size}}.log",
    conda:
        "../../envs/advdim.yaml"
    # Decoding takes its time; the result does not depend on the threads.
    threads: lambda wildcards: 4 if CONFIG.datasets[wildcards.dataset].decoded else 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda wildcards: digest(
            CONFIG.datasets[wildcards.dataset].pixel_settings()
        ),
    script:
        "../scripts/pixels.py"

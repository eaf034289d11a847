# One network per cell. Checkpoints are no outputs: a failed job must not delete them.


rule train:
    input:
        f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
    output:
        network=f"{CELL}/network.safetensors",
        epochs=f"{CELL}/epochs.parquet",
        samples=f"{CELL}/samples.parquet",
        run=f"{CELL}/run.json",
    log:
        f"{RESULTS}/logs/train/{CELLS.wildcard_pattern}.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda wildcards, attempt: memory_megabytes(
            CONFIG, Cell.from_wildcards(wildcards), attempt
        ),
        runtime=lambda wildcards, attempt: runtime_minutes(
            CONFIG, Cell.from_wildcards(wildcards), attempt
        ),
    params:
        settings=lambda wildcards: digest(
            training_settings(CONFIG, Cell.from_wildcards(wildcards))
        ),
        checkpoints=f"{RESULTS}/checkpoints/{CELLS.wildcard_pattern}",
    script:
        "../scripts/train.py"

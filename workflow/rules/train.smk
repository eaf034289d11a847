# One network per cell. Checkpoints are no outputs either: a failed job must not delete them.


rule train_batch:
    input:
        batch_inputs("train"),
    output:
        temp(touch(marker("train"))),
    log:
        f"{RESULTS}/logs/batches/train/{{batch}}.log",
    retries: RETRIES
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=batch_resource("train", batch_megabytes),
        runtime=batch_resource("train", batch_minutes),
        gpu_mb=batch_resource("train", batch_gpu_megabytes),
    params:
        batch=lambda wildcards: batch_of("train", wildcards.batch).to_json(),
    script:
        "../scripts/batch.py"


rule train:
    input:
        pixels=f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
        ticket=ticket("train", CELLS.wildcard_pattern),
    output:
        network=update(f"{CELL}/network.safetensors"),
        epochs=update(f"{CELL}/epochs.parquet"),
        samples=update(f"{CELL}/samples.parquet"),
        run=update(f"{CELL}/run.json"),
    log:
        f"{RESULTS}/logs/claims/train/{CELLS.wildcard_pattern}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        # Ends in the digest of all settings: other settings train the network again.
        kept=kept_folder("train"),
        log=f"{RESULTS}/logs/train/{CELLS.wildcard_pattern}.log",
    shell:
        CLAIM

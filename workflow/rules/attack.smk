# All attacks of a cell, and of several cells where they are short, share a job; each has its own
# result, so that adding an attack runs that attack alone, and a killed one costs that one alone.


rule attack_batch:
    input:
        batch_inputs("attack"),
    output:
        temp(touch(marker("attack"))),
    log:
        f"{RESULTS}/logs/batches/attack/{{batch}}.log",
    retries: RETRIES
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=batch_resource("attack", batch_megabytes),
        runtime=batch_resource("attack", batch_minutes),
        gpu_mb=batch_resource("attack", batch_gpu_megabytes),
    params:
        batch=lambda wildcards: batch_of("attack", wildcards.batch).to_json(),
    script:
        "../scripts/batch.py"


rule attack:
    input:
        network=f"{CELL}/network.safetensors",
        pixels=f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
        run=f"{CELL}/run.json",
        ticket=ticket("attack", f"{CELLS.wildcard_pattern}/{{attack}}"),
    output:
        rows=update(f"{CELL}/attacks/{{attack}}.parquet"),
        record=update(f"{CELL}/attacks/{{attack}}.json"),
    log:
        f"{RESULTS}/logs/claims/attack/{CELLS.wildcard_pattern}/{{attack}}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        kept=kept_folder("attack", "attack"),
        log=f"{RESULTS}/logs/attack/{CELLS.wildcard_pattern}/{{attack}}.log",
    shell:
        CLAIM


# A few images per size for one figure: one job for all, since each takes a second.
rule examples:
    input:
        networks=example_files("network.safetensors"),
        runs=example_files("run.json"),
        pixels=[
            f"{RESULTS}/pixels/dataset={cell.dataset}/size={cell.size}.safetensors"
            for cell in EXAMPLE_CELLS
        ],
    output:
        f"{RESULTS}/tables/examples.parquet",
    log:
        f"{RESULTS}/logs/tables/examples.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu_mb=0 if CONFIG.device == "cpu" else 4000,
    params:
        settings=digest(
            CONFIG.attacks.examples.canonical()
            + attack_settings(CONFIG, "", CONFIG.attacks.examples.attack)
        ),
        code=source_hash(*ATTACK_CODE),
    script:
        "../scripts/examples.py"

# One job per (cell, attack): adding an attack runs that attack alone, a killed one costs that
# attack alone, and cheap and expensive ones run side by side. Start-up is 2 s against an attack's
# seconds to hours; on a cluster, --groups attack=a --group-components a=20 puts 20 in one job.


rule attack:
    input:
        network=f"{CELL}/network.safetensors",
        pixels=f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
        run=f"{CELL}/run.json",
    output:
        f"{CELL}/attacks/{{attack}}.parquet",
    log:
        f"{RESULTS}/logs/attacks/{CELLS.wildcard_pattern}/{{attack}}.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda wildcards, attempt: memory_megabytes(
            CONFIG, Cell.from_wildcards(wildcards), attempt
        ),
        runtime=lambda wildcards, attempt: attempt * 120,
    params:
        settings=lambda wildcards: digest(
            attack_settings(CONFIG, wildcards.network, wildcards.attack)
        ),
        # Not the registry: one more attack in it must not run the others again.
        code=source_hash(*ATTACK_CODE),
    script:
        "../scripts/attack.py"


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
    params:
        settings=digest(
            CONFIG.attacks.examples.canonical()
            + attack_settings(CONFIG, "", CONFIG.attacks.examples.attack)
        ),
        code=source_hash(*ATTACK_CODE),
    script:
        "../scripts/examples.py"

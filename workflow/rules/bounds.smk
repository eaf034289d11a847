# Lower bounds per cell, whatever attacks it; the table sets them against all of its attacks.


rule bounds:
    input:
        network=f"{CELL}/network.safetensors",
        pixels=f"{RESULTS}/pixels/dataset={{dataset}}/size={{size}}.safetensors",
        run=f"{CELL}/run.json",
    output:
        f"{CELL}/bounds.parquet",
    log:
        f"{RESULTS}/logs/bounds/{CELLS.wildcard_pattern}.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda wildcards, attempt: 2000
        + memory_megabytes(CONFIG, Cell.from_wildcards(wildcards), attempt),
        runtime=lambda wildcards, attempt: attempt * 120,
    params:
        settings=digest(bound_settings(CONFIG)),
        code=source_hash(*BOUND_CODE),
    script:
        "../scripts/bounds.py"


# The sandwich: a sound bound above a verified adversarial stops the sweep here.
rule table_bounds:
    input:
        bounds=bound_files(),
        attacks=attack_files_of_bounded_cells(),
    output:
        bounds=f"{RESULTS}/tables/bounds.parquet",
        summaries=f"{RESULTS}/tables/bound_summaries.parquet",
    log:
        f"{RESULTS}/logs/tables/bounds.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        largest_fgsm=CONFIG.bounds.largest_fgsm,
        code=source_hash("sandwich.py"),
    script:
        "../scripts/table_bounds.py"

# Fresh networks, never trained: one job per (experiment, network) for all sizes and seeds.


rule initialisation:
    input:
        lambda wildcards: initialisation_pixels(wildcards.experiment),
    output:
        f"{RESULTS}/initialisation/experiment={{experiment}}/network={{network}}.parquet",
    log:
        f"{RESULTS}/logs/initialisation/experiment={{experiment}}/network={{network}}.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda wildcards: digest(
            initialisation_settings(CONFIG, wildcards.experiment, wildcards.network)
        ),
        code=source_hash("measures_at_initialisation.py", "networks"),
    script:
        "../scripts/initialisation.py"

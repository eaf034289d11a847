# Fresh networks, never trained: one job per (experiment, network, size) for all its seeds.


rule initialisation:
    input:
        lambda wildcards: initialisation_pixels(wildcards.experiment, wildcards.size),
    output:
        f"{RESULTS}/initialisation/experiment={{experiment}}/network={{network}}/size={{size}}.parquet",
    log:
        f"{RESULTS}/logs/initialisation/experiment={{experiment}}/network={{network}}/size={{size}}.log",
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

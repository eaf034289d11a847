# Fresh networks, never trained: one job per (experiment, network) for all sizes and seeds.


rule initialisation:
    input:
        unpack(fresh_inputs),
    output:
        **outputs("initialisation"),
    log:
        log_of("initialisation"),
    group:
        "initialisation"
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        **resources("initialisation"),
    params:
        **params("initialisation"),
    script:
        "../scripts/result.py"

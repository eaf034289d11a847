# One attack on one cell: another attack runs that attack alone.


use rule train as attack with:
    input:
        **inputs("train", "network"),
        **inputs("pixels", "pixels"),
    output:
        **outputs("attack"),
    log:
        log_of("attack"),
    resources:
        **resources("attack"),
    params:
        **params("attack"),


# A few images per size for one figure: one job for all, since each takes a second.
rule examples:
    input:
        unpack(example_inputs),
    output:
        table("examples"),
    log:
        f"{RESULTS}/logs/tables/examples.log",
    conda:
        "../../envs/advdim.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu_mb=0 if CONFIG.device == "cpu" else 4000,
        gpu=int(CONFIG.device == "cuda"),
    params:
        settings=table_settings(CONFIG, "examples"),
        code=code_digest(
            "advdim.stages.examples", *attack_modules(CONFIG.attacks.examples.attack)
        ),
    script:
        "../scripts/examples.py"

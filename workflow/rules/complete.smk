# Everything is made by now, whatever has failed; this says so, and ends the run with an error where
# something has, or where a result is not of these settings though nothing has told Snakemake.
rule complete:
    input:
        unpack(lambda wildcards: all_inputs(all_of("train"), "network")),
        others=lambda wildcards: all_inputs(
            [result for stage in FILES if stage != "train" for result in all_of(stage)]
        )["records"],
        report=f"{RESULTS}/report.html",
    output:
        # Named after what it vouches for: other settings or code want another file.
        touch(
            f"{RESULTS}/complete/{table_settings(CONFIG, 'complete')}"
            f"-{code_digest(*training_modules())}"
        ),
    log:
        f"{RESULTS}/logs/complete.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    script:
        "../scripts/complete.py"

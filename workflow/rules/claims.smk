# The papers' sentences, judged on the tables.


rule claims:
    input:
        lambda wildcards: map(table, claim_tables()),
    output:
        table("claims"),
    log:
        f"{RESULTS}/logs/claims.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        tables=lambda wildcards: claim_tables(),
        figures=table_settings(CONFIG, "claims"),
        code=code_digest("advdim.stages.claims"),
    script:
        "../scripts/claims.py"

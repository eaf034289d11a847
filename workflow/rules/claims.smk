# The papers' sentences, judged on the tables.


rule claims:
    input:
        [f"{RESULTS}/tables/{table}.parquet" for table in claim_tables()],
    output:
        f"{RESULTS}/tables/claims.parquet",
    log:
        f"{RESULTS}/logs/claims.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        tables=claim_tables(),
        figures=digest(
            str(
                [
                    *((name, e.figures) for name, e in CONFIG.experiments.items()),
                    *((name, e.figures) for name, e in CONFIG.initialisation.items()),
                ]
            )
        ),
        code=source_hash("claims", "stages/claims.py"),
    script:
        "../scripts/claims.py"

# The papers' sentences, judged on the tables; figures are linked from the page, not read.


rule claims:
    input:
        [f"{RESULTS}/tables/{table}.parquet" for table in claim_tables()],
    output:
        table=f"{RESULTS}/tables/claims.parquet",
        page=report(
            f"{RESULTS}/claims.html",
            caption="../report/claims.rst",
            category="Claims",
        ),
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
                    CONFIG.figures.formats,
                    *((name, e.figures) for name, e in CONFIG.experiments.items()),
                    *((name, e.figures) for name, e in CONFIG.initialisation.items()),
                ]
            )
        ),
        code=source_hash("claims", "stages/claims.py"),
    script:
        "../scripts/claims.py"

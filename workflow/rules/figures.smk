# Figures read tables, never cells. A figure's code is named by its hash, so that editing it (or
# the style) draws this figure again and trains nothing.


rule figure:
    input:
        lambda wildcards: [
            f"{RESULTS}/tables/{table}.parquet"
            for table in FIGURES[wildcards.figure].tables
        ],
    output:
        report(
            [
                f"{RESULTS}/figures/{{experiment}}/{{figure}}.{suffix}"
                for suffix in CONFIG.figures.formats
            ],
            caption="../report/figure.rst",
            category="{experiment}",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{RESULTS}/logs/figures/{{experiment}}/{{figure}}.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        tables=lambda wildcards: list(FIGURES[wildcards.figure].tables),
        style=CONFIG.figures.canonical(),
        caption=lambda wildcards: CAPTIONS[wildcards.figure],
        code=lambda wildcards: source_hash(
            "figures/style.py",
            "exponents.py",
            f"figures/{FIGURES[wildcards.figure].module}.py",
        ),
    script:
        "../scripts/figure.py"

# Figures read tables, never cells. A figure's code is named by its digest, so that editing it (or
# the style) draws this figure again and trains nothing.


rule figure:
    input:
        lambda wildcards: map(table, FIGURES[wildcards.figure].tables),
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
        attacks=shown_attacks,
        caption=lambda wildcards: FIGURES[wildcards.figure].caption,
        code=lambda wildcards: code_digest(
            "advdim.stages.figure",
            # How they look.
            "advdim.catalogue.attacks",
            "advdim.catalogue.methods",
            *FIGURES[wildcards.figure].modules,
        ),
    script:
        "../scripts/figure.py"

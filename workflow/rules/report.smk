# One page with everything that a person reads: claims, figures, networks, settings, provenance.


rule report_page:
    input:
        tables=lambda wildcards: map(table, tables()),
        figures=figure_files(),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        settings=table_settings(CONFIG, "report"),
        code=code_digest(
            "advdim.stages.report",
            "advdim.catalogue.figures",
            "advdim.catalogue.figures_of_attacks",
        ),
    script:
        "../scripts/report.py"

# One page with everything that a person reads: claims, figures, networks, settings, provenance.


rule report_page:
    localrule: True
    input:
        tables=[*table_files(), *rules.claims.output],
        figures=figure_files(),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/advdim.yaml"
    params:
        settings=digest(CONFIG.canonical()),
        code=source_hash("report", "figures/captions.py", "stages/report.py"),
    script:
        "../scripts/report.py"

# One page with everything that a person reads: claims, figures, networks, settings, provenance.


rule report_page:
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
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        # Not how the jobs were made, which changes no result.
        settings=digest(
            CONFIG.canonical(
                exclude={
                    "cells_per_job",
                    "minutes_per_job",
                    "hang_minutes",
                    "multiply_adds_per_second",
                }
            )
        ),
        code=source_hash("report", "figures/captions.py", "stages/report.py"),
    script:
        "../scripts/report.py"

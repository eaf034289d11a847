# From the results' files to the tables of the sweep.


rule table_cells:
    input:
        unpack(lambda wildcards: all_inputs(all_of("train"), "epochs")),
    output:
        table("cells"),
    log:
        f"{RESULTS}/logs/tables/cells.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        experiments=table_settings(CONFIG, "cells"),
        # It names the networks that were trained by older code.
        code=code_digest("advdim.stages.table_cells", "advdim.stages.train"),
    script:
        "../scripts/table_cells.py"


GATHERED = {
    "epochs": ("train", "cells"),
    "samples": ("train", "cells"),
    "attacks": ("attack", "attacks"),
    "initialisation": ("initialisation", "initialisation"),
}


rule table:
    input:
        unpack(
            lambda wildcards: all_inputs(
                all_of(GATHERED[wildcards.table][0]), wildcards.table
            )
        ),
    output:
        table("{table}"),
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    wildcard_constraints:
        table="|".join(GATHERED),
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        code=lambda wildcards: code_digest(
            f"advdim.tables.{GATHERED[wildcards.table][1]}"
        ),
    script:
        "../scripts/table.py"


rule table_attack_summaries:
    input:
        unpack(lambda wildcards: all_inputs(all_of("attack"), "attacks")),
    output:
        table("attack_summaries"),
    log:
        f"{RESULTS}/logs/tables/attack_summaries.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        code=code_digest("advdim.stages.table_attacks"),
    script:
        "../scripts/table_attack_summaries.py"


rule table_ladder:
    input:
        cells=table("cells"),
        summaries=table("attack_summaries"),
    output:
        table("ladder"),
    log:
        f"{RESULTS}/logs/tables/ladder.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        code=code_digest("advdim.stages.table_attacks"),
    script:
        "../scripts/table_ladder.py"


# The sandwich: a sound bound above a verified adversarial stops the sweep here.


rule table_bounds:
    input:
        unpack(sandwich_inputs),
    output:
        bounds=table("bounds"),
        summaries=table("bound_summaries"),
        sandwich=table("sandwich"),
    log:
        f"{RESULTS}/logs/tables/bounds.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        largest_fgsm=CONFIG.bounds.largest_fgsm,
        code=code_digest("advdim.stages.table_bounds"),
    script:
        "../scripts/table_bounds.py"

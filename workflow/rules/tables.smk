# From the results' files to the tables of the sweep; a sound bound above a verified adversarial stops
# the sweep here. What each table is made from stands in advdim/stages/tables.


rule table:
    input:
        unpack(table_inputs),
    output:
        table("{table}"),
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    wildcard_constraints:
        table="|".join(RECIPES),
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        settings=lambda wildcards: table_settings(CONFIG, wildcards.table),
        code=lambda wildcards: code_digest(*RECIPES[wildcards.table].code),
    script:
        "../scripts/table.py"

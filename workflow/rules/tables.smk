# From per-cell files to the tables of the sweep.


rule table_cells:
    input:
        epochs=cell_files("epochs.parquet"),
        runs=cell_files("run.json"),
    output:
        f"{RESULTS}/tables/cells.parquet",
    log:
        f"{RESULTS}/logs/tables/cells.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        experiments=digest(
            str(
                [
                    # Which cells an experiment holds, not what is made of them.
                    (
                        name,
                        e.model_dump_json(exclude={"attacks", "bounds", "figures"}),
                        [
                            CONFIG.networks[network].dampening(size)
                            for network in e.network
                            for size in e.sizes
                        ],
                    )
                    for name, e in CONFIG.experiments.items()
                ]
            )
        ),
    script:
        "../scripts/table_cells.py"


rule table:
    input:
        lambda wildcards: (
            attack_files()
            if wildcards.table == "attacks"
            else (
                initialisation_files()
                if wildcards.table == "initialisation"
                else cell_files(f"{wildcards.table}.parquet")
            )
        ),
    output:
        f"{RESULTS}/tables/{{table}}.parquet",
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    wildcard_constraints:
        table="epochs|samples|attacks|initialisation",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    script:
        "../scripts/table.py"


rule table_attack_summaries:
    input:
        attack_files(),
    output:
        f"{RESULTS}/tables/attack_summaries.parquet",
    log:
        f"{RESULTS}/logs/tables/attack_summaries.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        code=source_hash("summaries.py"),
    script:
        "../scripts/table_attack_summaries.py"


rule table_ladder:
    input:
        cells=f"{RESULTS}/tables/cells.parquet",
        summaries=f"{RESULTS}/tables/attack_summaries.parquet",
    output:
        f"{RESULTS}/tables/ladder.parquet",
    log:
        f"{RESULTS}/logs/tables/ladder.log",
    localrule: True
    conda:
        "../../envs/advdim.yaml"
    params:
        code=source_hash("summaries.py"),
    script:
        "../scripts/table_ladder.py"

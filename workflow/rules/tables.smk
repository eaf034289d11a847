# From per-cell files to the tables of the sweep.


rule table_cells:
    input:
        epochs=cell_files("epochs.parquet"),
        runs=cell_files("run.json"),
    output:
        f"{RESULTS}/tables/cells.parquet",
    log:
        f"{RESULTS}/logs/tables/cells.log",
    conda:
        "../../envs/advdim.yaml"
    params:
        experiments=digest(
            str(
                [(name, e.model_dump_json()) for name, e in CONFIG.experiments.items()]
            )
        ),
    script:
        "../scripts/table_cells.py"


rule table:
    input:
        lambda wildcards: cell_files(f"{wildcards.table}.parquet"),
    output:
        f"{RESULTS}/tables/{{table}}.parquet",
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    wildcard_constraints:
        table="epochs|samples",
    conda:
        "../../envs/advdim.yaml"
    script:
        "../scripts/table.py"

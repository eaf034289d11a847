# How a classifier's adversarial vulnerability depends on the dimension of its input.
#
#   dataset - resize - train - attack, bounds - tables - figures, claims
#            (per size) (cell)
#
# results/pixels/   one file per (dataset, size)
# results/cells/    one Hive partition per trained network
# results/tables/   Parquet, one row per what the name says
# results/figures/  one folder per experiment
#
# snakemake --cores all                                   the default sweep, config.yaml
# snakemake --cores all --configfile workflow/presets/X   a whole sweep of another kind
# snakemake --cores all tables | figures                  a part of it

from snakemake.utils import min_version

min_version("9.14.8")

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/batches.smk"
include: "workflow/rules/tickets.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/bounds.smk"
include: "workflow/rules/initialisation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"


# Seconds of work, or links only: not worth a place in a cluster's queue.
localrules:
    all,
    ticket,
    train,
    attack,
    tables,
    figures,
    table,
    table_cells,
    table_attack_summaries,
    table_ladder,
    table_bounds,
    figure,
    claims,


rule all:
    default_target: True
    input:
        cell_files("network.safetensors"),
        table_files(),
        figure_files(),
        rules.claims.output,


rule tables:
    input:
        table_files(),


rule figures:
    input:
        figure_files(),


onstart:
    write_batches()


onsuccess:
    forget_batches()
    clear_claimed(CONFIG)
    print(
        f"Figures are in {RESULTS}/figures, tables in {RESULTS}/tables, claims in {RESULTS}/claims.html."
    )


onerror:
    forget_batches()
    clear_claimed(CONFIG)
    print(report_failures(CONFIG, workflow.overwrite_configfiles))

# How a classifier's adversarial vulnerability depends on the dimension of its input.
#
#   dataset - resize - train - attack - tables - figures
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


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/initialisation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


# Seconds of work: not worth a place in a cluster's queue.
localrules:
    all,
    tables,
    figures,
    table,
    table_cells,
    table_attack_summaries,
    table_ladder,
    figure,


rule all:
    default_target: True
    input:
        cell_files("network.safetensors"),
        table_files(),
        figure_files(),


rule tables:
    input:
        table_files(),


rule figures:
    input:
        figure_files(),


onsuccess:
    print(f"Figures are in {RESULTS}/figures, tables in {RESULTS}/tables.")


onerror:
    print(report_failures(CONFIG, workflow.overwrite_configfiles))

from advdim.config import load
from advdim.stages.attacks import attack_cell
from advdim.stages.logs import log_to
from advdim.sweep import Cell

with log_to(snakemake.log[0]):
    attack_cell(
        load(snakemake.config),
        Cell.from_wildcards(snakemake.wildcards),
        snakemake.wildcards.attack,
        snakemake.input.network,
        snakemake.input.pixels,
        snakemake.input.run,
        snakemake.output[0],
    )

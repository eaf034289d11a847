from advdim.config import load
from advdim.stages.bounds import bound_cell
from advdim.stages.logs import log_to
from advdim.sweep import Cell

with log_to(snakemake.log[0]):
    bound_cell(
        load(snakemake.config),
        Cell.from_wildcards(snakemake.wildcards),
        snakemake.input.network,
        snakemake.input.pixels,
        snakemake.input.run,
        snakemake.output[0],
    )

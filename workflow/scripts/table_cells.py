from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.table_cells import gather_cells

with log_to(snakemake.log[0]):
    gather_cells(
        load(snakemake.config),
        snakemake.input.records,
        snakemake.input.epochs,
        snakemake.output[0],
    )

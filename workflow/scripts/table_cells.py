from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.tables import gather_cells

with log_to(snakemake.log[0]):
    gather_cells(
        load(snakemake.config),
        snakemake.input.runs,
        snakemake.input.epochs,
        snakemake.output[0],
    )

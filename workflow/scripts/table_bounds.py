from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.table_bounds import gather_bounds

with log_to(snakemake.log[0]):
    gather_bounds(
        load(snakemake.config),
        snakemake.input.bounds,
        snakemake.input.attacks,
        snakemake.output.bounds,
        snakemake.output.summaries,
        snakemake.output.sandwich,
    )

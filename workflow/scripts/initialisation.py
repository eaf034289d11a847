from advdim.config import load
from advdim.stages.initialisation import measure_at_initialisation
from advdim.stages.logs import log_to

with log_to(snakemake.log[0]):
    measure_at_initialisation(
        load(snakemake.config),
        snakemake.wildcards.experiment,
        snakemake.wildcards.network,
        snakemake.input,
        snakemake.output[0],
    )

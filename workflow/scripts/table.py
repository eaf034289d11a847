from advdim.stages.logs import log_to
from advdim.tables import gather

with log_to(snakemake.log[0]):
    gather(snakemake.output[0], snakemake.wildcards.table, snakemake.input)

from advdim.stages.logs import log_to
from advdim.tables import gather

with log_to(snakemake.log[0]):
    name = snakemake.wildcards.table
    gather(snakemake.output[0], name, getattr(snakemake.input, name))

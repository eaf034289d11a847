from advdim.stages.logs import log_to
from advdim.stages.tables import gather_attack_summaries

with log_to(snakemake.log[0]):
    gather_attack_summaries(snakemake.input, snakemake.output[0])

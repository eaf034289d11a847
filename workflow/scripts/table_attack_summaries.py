from advdim.stages.logs import log_to
from advdim.stages.table_attacks import gather_attack_summaries

with log_to(snakemake.log[0]):
    gather_attack_summaries(snakemake.input.attacks, snakemake.output[0])

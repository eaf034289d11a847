from advdim.stages.logs import log_to
from advdim.stages.table_attacks import write_ladder

with log_to(snakemake.log[0]):
    write_ladder(snakemake.input.cells, snakemake.input.summaries, snakemake.output[0])

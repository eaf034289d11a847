from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.tables import make_table

with log_to(snakemake.log[0]):
    inputs = {name: list(files) for name, files in snakemake.input.items()}
    table = snakemake.wildcards.table
    make_table(load(snakemake.config), table, inputs, snakemake.output[0])

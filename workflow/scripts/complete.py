from advdim.config import load
from advdim.runs.run import this_run
from advdim.stages.complete import check_complete
from advdim.stages.logs import log_to

with log_to(snakemake.log[0]):
    check_complete(load(snakemake.config), this_run().command)

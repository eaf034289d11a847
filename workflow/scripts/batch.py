from advdim.batches import Batch
from advdim.config import load
from advdim.stages.batches import run_batch
from advdim.stages.logs import log_to

with log_to(snakemake.log[0]):
    run_batch(load(snakemake.config), Batch.from_json(snakemake.params.batch))

from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.pixels import prepare_pixels

with log_to(snakemake.log[0]):
    prepare_pixels(
        load(snakemake.config),
        snakemake.wildcards.dataset,
        int(snakemake.wildcards.size),
        snakemake.output[0],
        snakemake.threads,
    )

from advdim.config import load
from advdim.stages.devices import device
from advdim.stages.examples import write_examples
from advdim.stages.logs import log_to
from advdim.sweep import example_cells

with log_to(snakemake.log[0]):
    config = load(snakemake.config)
    with device(config.device, snakemake.resources.gpu_mb) as name:
        write_examples(
            config,
            example_cells(config),
            snakemake.input.network,
            snakemake.input.pixels,
            snakemake.input.records,
            snakemake.output[0],
            device=name,
            threads=snakemake.threads,
        )

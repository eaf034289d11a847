from advdim.config import load
from advdim.stages.attacks import write_examples
from advdim.stages.logs import log_to
from advdim.sweep import example_cells

with log_to(snakemake.log[0]):
    config = load(snakemake.config)
    write_examples(
        config,
        example_cells(config),
        snakemake.input.networks,
        snakemake.input.pixels,
        snakemake.input.runs,
        snakemake.output[0],
    )

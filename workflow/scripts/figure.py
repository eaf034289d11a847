from advdim.config import load
from advdim.stages.figure import draw_figure
from advdim.stages.logs import log_to

with log_to(snakemake.log[0]):
    draw_figure(
        load(snakemake.config),
        snakemake.wildcards.experiment,
        snakemake.wildcards.figure,
        dict(zip(snakemake.params.tables, snakemake.input, strict=True)),
        snakemake.output,
    )

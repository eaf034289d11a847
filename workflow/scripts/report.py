from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.report import write_report

with log_to(snakemake.log[0]):
    files = snakemake.input
    write_report(load(snakemake.config), files.tables, files.figures, snakemake.output[0])

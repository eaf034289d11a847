from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.report import write_report

with log_to(snakemake.log[0]):
    write_report(load(snakemake.config), snakemake.input.tables, snakemake.output[0])

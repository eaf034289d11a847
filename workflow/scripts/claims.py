from advdim.config import load
from advdim.stages.claims import judge_claims
from advdim.stages.logs import log_to

with log_to(snakemake.log[0]):
    judge_claims(
        load(snakemake.config),
        dict(zip(snakemake.params.tables, snakemake.input, strict=True)),
        snakemake.output[0],
    )

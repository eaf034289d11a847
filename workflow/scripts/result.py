from advdim.config import load
from advdim.results import Result
from advdim.runs.run import this_run
from advdim.stages.job import make

config, run = load(snakemake.config), this_run()
result = Result.of(snakemake.params.stage, dict(snakemake.wildcards.items()))
if snakemake.output.record != str(result.record(config)):
    raise SystemExit("advdim takes no prefix: give 'results' in the config instead.")
make(
    config,
    result,
    revision=snakemake.params.made_from["revision"],
    threads=snakemake.threads,
    gpu_megabytes=snakemake.resources.gpu_mb,
    forced=run.forces(snakemake.rule, snakemake.output),
    run=run.name,
)

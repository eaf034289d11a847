from pathlib import Path

from advdim.config import load
from advdim.stages.logs import log_to
from advdim.stages.training import CellFiles, train_cell
from advdim.sweep import Cell

with log_to(snakemake.log[0]):
    train_cell(
        load(snakemake.config),
        Cell.from_wildcards(snakemake.wildcards),
        snakemake.input[0],
        CellFiles(
            **{name: Path(path) for name, path in snakemake.output.items()},
            checkpoints=Path(snakemake.params.checkpoints),
        ),
    )

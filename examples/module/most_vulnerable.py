"""Name the network whose predictions an attack changes most often."""

from pathlib import Path

import pandas as pd

cells = pd.read_parquet(snakemake.input.cells)
row = cells.loc[cells["vulnerability_median"].idxmax()]
Path(snakemake.output[0]).write_text(f"{row['network']} trained with {row['method']}\n")

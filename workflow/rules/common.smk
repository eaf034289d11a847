# The configuration, the table of cells, and the paths that rules share.

from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from advdim.config import ConfigError, load
from advdim.costs import memory_megabytes, runtime_minutes
from advdim.figures.registry import FIGURES
from advdim.provenance import source_hash
from advdim.stages.failures import report_failures
from advdim.sweep import Cell, cell_table, digest, training_settings

try:
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
CELLS = Paramspace(cell_table(CONFIG), param_sep="=")
CELL = f"{RESULTS}/cells/{CELLS.wildcard_pattern}"


wildcard_constraints:
    dataset="[^/=]+",
    network="[^/=]+",
    size=r"\d+",
    method="[a-z0-9_]+",
    epsilon=r"[0-9.]+",
    seed=r"\d+",
    experiment="[^/=]+",
    figure="[a-z0-9_]+",


def cell_files(name):
    """One file of every cell of the sweep."""
    return [f"{RESULTS}/cells/{cell}/{name}" for cell in CELLS.instance_patterns]


def table_files():
    return [
        f"{RESULTS}/tables/{table}.parquet" for table in ("cells", "epochs", "samples")
    ]


def figure_files():
    return [
        f"{RESULTS}/figures/{experiment}/{figure}.{suffix}"
        for experiment, settings in CONFIG.experiments.items()
        for figure in settings.figures
        for suffix in CONFIG.figures.formats
    ]

# The configuration, the table of cells, and the paths that rules share.

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from advdim.claims import READ_TABLES
from advdim.config import ConfigError, load
from advdim.costs import memory_megabytes, runtime_minutes
from advdim.figures.captions import CAPTIONS
from advdim.figures.registry import FIGURES
from advdim.provenance import ATTACK_CODE, BOUND_CODE, source_hash
from advdim.python_path import share_package
from advdim.stages.failures import report_failures
from advdim.sweep import (
    Cell,
    attack_settings,
    attacked_cells,
    bound_settings,
    bounded_cells,
    cell_table,
    digest,
    example_cells,
    initialisation_settings,
)

# What is kept and logged lies beside the outputs, where a prefix does not reach.
if workflow.modifier.path_modifier.prefix:
    raise WorkflowError(
        "Module advdim takes no prefix: give 'results' in its config instead."
    )

share_package()
try:
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results
CELLS = Paramspace(cell_table(CONFIG), param_sep="=")
CELL = f"{RESULTS}/cells/{CELLS.wildcard_pattern}"
EXAMPLE_CELLS = example_cells(CONFIG)


wildcard_constraints:
    dataset="[^/=]+",
    network="[^/=]+",
    size=r"\d+",
    method="[a-z0-9_]+",
    epsilon=r"[0-9.]+",
    seed=r"\d+",
    attack="[a-z0-9_]+",
    experiment="[^/=]+",
    figure="[a-z0-9_]+",


def cell_files(name):
    """One file of every cell of the sweep."""
    return [f"{RESULTS}/cells/{cell}/{name}" for cell in CELLS.instance_patterns]


def attack_files():
    """The per-sample file of every attack on every cell."""
    return [
        f"{RESULTS}/cells/{cell.directory}/attacks/{attack}.parquet"
        for cell, attack in attacked_cells(CONFIG)
    ]


def bound_files():
    """The per-sample file of the lower bounds of every cell that is to have them."""
    return [
        f"{RESULTS}/cells/{cell.directory}/bounds.parquet"
        for cell in bounded_cells(CONFIG)
    ]


def attack_files_of_bounded_cells():
    """The per-sample file of every attack on a cell with lower bounds."""
    bounded = set(bounded_cells(CONFIG))
    return [
        f"{RESULTS}/cells/{cell.directory}/attacks/{attack}.parquet"
        for cell, attack in attacked_cells(CONFIG)
        if cell in bounded
    ]


def example_files(name):
    """One file of every cell whose perturbed images are shown."""
    return [f"{RESULTS}/cells/{cell.directory}/{name}" for cell in EXAMPLE_CELLS]


def initialisation_files():
    """The measurements of every network, never trained."""
    return [
        f"{RESULTS}/initialisation/experiment={name}/network={network}.parquet"
        for name, experiment in CONFIG.initialisation.items()
        for network in experiment.networks
    ]


def initialisation_pixels(name):
    """The pixels that fresh networks are measured on, per size."""
    experiment = CONFIG.initialisation[name]
    return [
        f"{RESULTS}/pixels/dataset={experiment.dataset}/size={size}.safetensors"
        for size in experiment.sizes
    ]


def table_files():
    tables = ["cells", "epochs", "samples"] if CONFIG.experiments else []
    tables += ["attacks", "attack_summaries", "ladder"] if attack_files() else []
    tables += ["examples"] if EXAMPLE_CELLS else []
    tables += ["bounds", "bound_summaries"] if bound_files() else []
    tables += ["initialisation"] if CONFIG.initialisation else []
    return [f"{RESULTS}/tables/{table}.parquet" for table in tables]


def claim_tables():
    """Those tables of the sweep that claims are judged on."""
    made = {Path(table).stem for table in table_files()}
    return [table for table in READ_TABLES if table in made]


def figure_files():
    return [
        f"{RESULTS}/figures/{experiment}/{figure}.{suffix}"
        for experiment, settings in {
            **CONFIG.experiments,
            **CONFIG.initialisation,
        }.items()
        for figure in settings.figures
        for suffix in CONFIG.figures.formats
    ]

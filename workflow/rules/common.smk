# The configuration, and what the rules of all stages share.

import os
import sys
import uuid
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from advdim.code_digest import code_digest
from advdim.runs.command_line import same_options
from advdim.config import ConfigError, load
from advdim.config.repeated_keys import refuse_repeated_keys
from advdim.planning.costs import groups_of_cells, resources_of
from advdim.catalogue.figures import FIGURES
from advdim.runs.python_path import share_package
from advdim.records import read_outline
from advdim.results import (
    FILES,
    LOGS,
    Result,
    all_results,
    code_hash,
    config_hash,
    revision,
)
from advdim.stage_code import attack_modules, training_modules
from advdim.runs.run import Run
from advdim.stages.tables import RECIPES, results_for, tables_made
from advdim.sweep import example_cells, table_settings

# Of the working directory, as jobs on all machines see it.
SHARED = Path(".snakemake")
share_package(SHARED)
try:
    refuse_repeated_keys(workflow.overwrite_configfiles or ["config.yaml"])
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG.results


wildcard_constraints:
    **dict.fromkeys(
        [
            *("dataset", "network", "method", "attack"),
            *("experiment", "figure", "table"),
        ],
        "[A-Za-z0-9_.-]+",
    ),
    size=r"\d+",
    epsilon=r"[0-9.]+",
    seed=r"\d+",


# Members of a group run one after another: each takes the one slot that a cluster's job has.
# Elsewhere nothing counts slots. A limit of minutes (--resources runtime=...) is each job's own.
resource_scopes:
    slot="local",
    runtime="local",


# What a job, on whatever machine, has to know of the run that it belongs to.
@cache
def publish_run():
    if workflow.is_main_process:
        dag = workflow.dag_settings
        Run(
            name=uuid.uuid4().hex[:12],
            command=same_options(sys.argv),
            all_forced=dag.forceall,
            forced=(*dag.forcerun, *(dag.targets if dag.forcetargets else ())),
        ).publish(SHARED)


os.environ.setdefault("ADVDIM_RUN", "")


# Of a group on another machine.
if not workflow.is_main_process:
    workflow.global_resources["slot"] = 1


# Where jobs run is not known yet while rules are read.
def one_slot(wildcards):
    """Let a cluster's jobs have one slot each, which their members take; return that one."""
    if workflow.non_local_exec:
        workflow.global_resources["slot"] = 1
    return 1


envvars:
    "ADVDIM_RUN",


# A record is read once while the graph is built.
RECORD = cache(read_outline)


def result_of(stage, wildcards):
    return Result.of(stage, dict(wildcards.items()))


def file(stage, name):
    return f"{RESULTS}/{FILES[stage][name]}"


# Kept when a job starts, so that it can tell whether they are current.
def outputs(stage):
    return {name: update(file(stage, name)) for name in FILES[stage]}


def log_of(stage):
    return f"{RESULTS}/{LOGS[stage]}"


# Seeds and strengths differ in neither settings nor costs.
@cache
def settings_of_kind(kind):
    return config_hash(CONFIG, kind)


@cache
def resources_of_kind(kind, attempt, alone):
    return resources_of(CONFIG, kind, attempt, alone)


def is_alone(result):
    """Tell whether a result has a job of its own on a cluster."""
    if result.stage in {"pixels", "initialisation"}:
        return result.stage == "pixels"
    return groups()[result.cell] is None


def params(stage):
    """Another value starts the job again; networks of older code are named, not trained."""

    def made_from(wildcards):
        publish_run()
        result = result_of(stage, wildcards)
        return {
            "settings": settings_of_kind(result.kind),
            "code": None if stage == "train" else code_hash(CONFIG, result),
            "revision": revision(CONFIG, result, RECORD),
        }

    return {"stage": stage, "made_from": made_from}


def resources(stage):
    """Resources by name; a long job is told to write its state before a cluster's time is over."""

    def resource(name):
        def value(wildcards, attempt):
            result = result_of(stage, wildcards)
            return resources_of_kind(result.kind, attempt, is_alone(result))[name]

        return value

    # Of short ones, the two minutes might be all: they are told when their time is over.
    def slurm_extra(wildcards):
        return "--signal=TERM@120" if is_alone(result_of(stage, wildcards)) else ""

    estimated = {name: resource(name) for name in ("mem_mb", "runtime", "gpu_mb")}
    gpu = int(CONFIG.device == "cuda" and stage not in {"pixels", "bounds"})
    return {**estimated, "slot": one_slot, "gpu": gpu, "slurm_extra": slurm_extra}

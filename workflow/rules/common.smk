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
from advdim.stages.tables import RECIPES
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


# Members of a group run one after another: each takes the one slot that a cluster's job has, by
# its profile. Elsewhere nothing counts slots.
resource_scopes:
    slot="local",


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
# Of a group on another machine, too.
if not workflow.is_main_process:
    workflow.global_resources["slot"] = 1


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
def resources_of_kind(kind, attempt):
    return resources_of(CONFIG, kind, attempt)


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
    """Resources by name; a job is told to write its state before a cluster's time is over."""

    def resource(name):
        return lambda wildcards, attempt: resources_of_kind(
            result_of(stage, wildcards).kind, attempt
        )[name]

    estimated = {name: resource(name) for name in ("mem_mb", "runtime", "gpu_mb")}
    gpu = int(CONFIG.device == "cuda" and stage not in {"pixels", "bounds"})
    return {**estimated, "slot": 1, "gpu": gpu, "slurm_extra": "--signal=TERM@120"}

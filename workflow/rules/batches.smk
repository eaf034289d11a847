# Short results share jobs. For every stage of advdim.batches.STAGES there are two rules:
#
#   STAGE_batch   one job for several cells; it keeps what it has made under results/kept
#   STAGE         one per result: links the kept files to their place; local, milliseconds
#
# Snakemake deletes all outputs of a failed job. Kept results are none, so that one failed cell
# costs no other, and a job that was killed continues. Only results that are missing are in a
# batch: a cell more is the only one to run. Tickets tie the two together; a result that is there
# needs none, whatever the batches of others.

import shutil
from functools import cache
from pathlib import Path

from snakemake.io import IOFile

from advdim.batches import (
    STAGES,
    Batch,
    Item,
    batch_gpu_megabytes,
    batch_megabytes,
    batch_minutes,
    clear_claimed,
    compose,
    pixels_file,
    waiting,
)


@cache
def _items(stage):
    return {item.directory: item for item in STAGES[stage].items(CONFIG)}


@cache
def _batches(stage):
    """What the present run may work on; asked once the command line is known."""
    named, forced = set(workflow.dag_settings.forcerun), set()
    for other in STAGES:
        # Within another workflow they may have other names.
        forcing = (other, f"{other}_batch", "ticket", "pixels")
        if named & {getattr(rules, name).rule.name for name in forcing}:
            forced.add(other)
    if workflow.dag_settings.forceall:
        forced.update(STAGES)
    return compose(CONFIG, STAGES[stage], waiting(CONFIG, STAGES[stage], forced))


@cache
def _batch_of_item(stage):
    return {item: batch for batch in _batches(stage) for item in batch.items}


@cache
def _batch_by_name(stage):
    return {batch.name: batch for batch in _batches(stage)}


def batch_of(stage, name):
    """The batch of a name: a job on another machine reads what the main process has written."""
    if workflow.is_main_process:
        return _batch_by_name(stage)[name]
    return Batch.from_json(Path(f"{RESULTS}/batches/{stage}/{name}.json").read_text())


def forget_batches():
    """Remove what ties this run's batches together; the metadata of tickets would start them."""
    for stage in STAGES:
        for directory in _items(stage):
            workflow.persistence.cleanup_metadata(IOFile(ticket(stage, directory)))
    shutil.rmtree(f"{RESULTS}/batches", ignore_errors=True)


def write_batches():
    for stage in STAGES:
        for batch in _batches(stage):
            path = Path(f"{RESULTS}/batches/{stage}/{batch.name}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(batch.to_json())


def succeeded():
    forget_batches()
    clear_claimed(CONFIG)
    print(f"Report in {RESULTS}/report.html, tables in {RESULTS}/tables.")


def failed():
    forget_batches()
    clear_claimed(CONFIG)
    print(report_failures(CONFIG, workflow.overwrite_configfiles))


def run_along(**handlers):
    """Run functions before the workflow's own handlers, which may be defined above."""

    def both(first, second):
        return lambda log: (first(), second(log))

    for name, function in handlers.items():
        setattr(workflow, name, both(function, getattr(workflow, name)))


def marker(stage, name="{batch}"):
    return f"{RESULTS}/batches/{stage}/{name}.done"


def ticket(stage, item):
    return f"{RESULTS}/batches/{stage}/{item}.ticket"


def ticket_inputs(wildcards):
    item = _items(wildcards.stage)[wildcards.item]
    batch = _batch_of_item(wildcards.stage).get(item)
    return [marker(wildcards.stage, batch.name)] if batch else []


def batch_inputs(stage):
    """Pixels, and the results of the stage before: as files, or as what makes them now."""

    def inputs(wildcards):
        batch, after = batch_of(stage, wildcards.batch), STAGES[stage].after
        files = [str(pixels_file(CONFIG, batch.items[0].cell))]
        if after and workflow.is_main_process:
            made = _batch_of_item(after.name)
            for item in dict.fromkeys(Item(item.cell) for item in batch.items):
                files += (
                    [marker(after.name, made[item].name)]
                    if item in made
                    else map(str, after.final(CONFIG, item))
                )
        return list(dict.fromkeys(files))

    return inputs


def batch_resource(stage, function):
    return lambda wildcards, attempt: function(
        CONFIG, batch_of(stage, wildcards.batch), attempt
    )


def kept_folder(stage, part=""):
    def folder(wildcards):
        item = Item(
            Cell.from_wildcards(wildcards), getattr(wildcards, part) if part else ""
        )
        return str(STAGES[stage].kept(CONFIG, item)[-1].parent)

    return folder


# A killed job continues with what it had not finished. Not within a cluster's job, which must end
# when it is told so: the main process submits it again.
RETRIES = 2 if workflow.is_main_process else 0
# The text, not the path: another place of the same project runs nothing again.
CLAIM = (
    "set -- {params.kept} {input.ticket} {params.log} {output}; exec > {log} 2>&1\n"
    + ((Path(workflow.current_basedir).parent / "scripts/claim.sh").read_text())
)

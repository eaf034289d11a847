# What rules read, as functions of what the sweep holds.


# Records stand for what was made along with them: they are small, so that Snakemake compares
# their content, and what was only copied or touched starts nothing.
def inputs(stage, *names):
    files = {name: ancient(file(stage, name)) for name in names}
    return {f"{stage}_record": file(stage, "record"), **files}


def all_inputs(results, *names):
    files = [result.files(CONFIG) for result in results]
    read = {name: [ancient(str(f[name])) for f in files] for name in names}
    return {"records": [str(f["record"]) for f in files], **read}


@cache
def all_of(stage):
    return [result for result in everything() if result.stage == stage]


@cache
def everything():
    return list(all_results(CONFIG))


def all_files(wildcards):
    """What is made again when it is deleted; pixels are only where something needs them."""
    if CONFIG.only_finished:
        return [*map(table, tables()), *figure_files()]
    stages = [stage for stage in FILES if stage != "pixels"]
    results = [result for stage in stages for result in all_of(stage)]
    return [str(path) for result in results for path in result.files(CONFIG).values()]


@cache
def groups():
    return groups_of_cells(CONFIG)


def group_of(wildcards):
    """Short cells share a cluster's jobs, each with its attacks and bounds; long ones do not."""
    return groups()[result_of("train", wildcards).cell]


def table(name):
    return f"{RESULTS}/tables/{name}.parquet"


@cache
def tables():
    """The names of the tables that the sweep makes."""
    return tables_made(all_of, *(["examples"] if shows_examples() else []))


def shows_examples():
    """Examples are made from images, which what is finished does without."""
    there = not CONFIG.only_finished or os.path.exists(table("examples"))
    return bool(example_cells(CONFIG)) and there


def figure_files():
    return [
        f"{RESULTS}/figures/{name}/{figure}.{suffix}"
        for name, figures in CONFIG.figures_by_experiment.items()
        for figure in figures
        if set(FIGURES[figure].tables) <= set(tables())
        for suffix in CONFIG.figures.formats
    ]


def shown_attacks(wildcards):
    """A figure shows its experiment's attacks, though others may have attacked the same cells."""
    if {"attack_summaries", "ladder"}.isdisjoint(FIGURES[wildcards.figure].tables):
        return []
    return CONFIG.experiments[wildcards.experiment].attacks


def example_inputs(wildcards):
    cells = [Result.of("train", cell.wildcards()) for cell in example_cells(CONFIG)]
    pixels = [str(cell.parents(CONFIG)[0].files(CONFIG)["pixels"]) for cell in cells]
    return {**all_inputs(cells, "network"), "pixels": map(ancient, pixels)}


def fresh_inputs(wildcards):
    result = result_of("initialisation", wildcards)
    return all_inputs(result.parents(CONFIG), "pixels")


def table_inputs(wildcards):
    recipe = RECIPES[wildcards.table]
    inputs = {name: [table(name)] for name in recipe.tables if name in tables()}
    for stage, results in results_for(wildcards.table, all_of).items():
        found = all_inputs(results, recipe.results[stage])
        inputs |= {
            f"{stage}_records": found["records"],
            stage: found[recipe.results[stage]],
        }
    return inputs

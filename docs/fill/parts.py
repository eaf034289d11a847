"""What stands in the blocks: claims, networks, attacks, bounds, and how far training has come.

A part is ``function(run, *arguments)`` and returns Markdown, or None where the run has no data.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from docs.fill.blocks import FillError
from docs.fill.published import Published, interval, lines_of, markdown, number, spread

from advdim.claims.networks import interval_over_networks
from advdim.claims.statistics import exponent
from advdim.report.answer import Change, Growth, growths
from advdim.report.claims import RANGE_SOURCES
from advdim.sweep import IDENTITY

SETTING = ["network", "size", "method", "epsilon"]
VERDICTS = {"holds": "hold", "fails": "fail", "undecided": "are undecided"}


def claims(run: Published, *figures: str) -> str | None:
    """Return the sentences about some figures: estimate, interval, range, networks, verdict."""
    rows = _judged(run, figures)
    if not rows["count"].gt(0).any():
        return None
    return markdown(
        ["the paper", "experiment", "found", "it holds", "networks", "verdict"],
        [
            [
                f"{row.sentence} ({row.source})",
                f"`{row.experiment}`",
                f"{row.statistic}: **{interval(row.estimate, row.ci_low, row.ci_high)}**",
                f"{row.expected} ({RANGE_SOURCES[row.range_source]})",
                f"{row.networks} per setting, {row.count} in all" if row.count else "-",
                _verdict(row),
            ]
            for row in lines_of(rows)
        ],
    )


def sentences(run: Published, *names: str) -> str | None:
    """Return some claims, ``claim@experiment`` each, as a list of one line per claim."""
    lines = []
    for name in names:
        claim, _, experiment = name.partition("@")
        rows = run.table("claims")
        rows = rows[(rows["claim"] == claim) & (rows["experiment"] == experiment)]
        rows = rows[(rows["count"] > 0) & rows["estimate"].notna()]
        lines += [
            f"- {row.sentence} Found: {row.statistic} "
            f"**{interval(row.estimate, row.ci_low, row.ci_high)}** over {row.count} networks; "
            f"it holds for {row.expected} ({RANGE_SOURCES[row.range_source]}). "
            f"Verdict: {_verdict(row)}."
            for row in lines_of(rows)
        ]
    return "\n".join(lines) or None


def answer(run: Published, *experiments: str) -> str | None:
    """Return what changes from the smallest to the largest size, a line per training.

    A training that several experiments have is told by the first of them.
    """
    tables = {name: run.table(name) for name in ("cells", "epochs")}
    found: dict[str, Growth] = {}
    for experiment in experiments:
        for growth in growths(tables, experiment):
            if growth.sizes[0] < growth.sizes[1]:
                training = f"`{growth.network}`, {_trained(growth.method, growth.epsilon)}"
                found.setdefault(training, growth)
    if not found:
        return None
    return markdown(
        ["training", "from, to", "networks", "the law", "gradient norm, ties broken",
         "vulnerability", "accuracy"],
        [
            [
                training,
                "{} to {} px".format(*growth.sizes),
                f"{growth.networks} a size",
                f"{growth.root_dimension:g} times",
                _changed(growth.gradient_norm, " times"),
                _changed(growth.vulnerability),
                _changed(growth.accuracy),
            ]
            for training, growth in found.items()
        ],
    )  # fmt: skip


def verdicts(run: Published) -> str | None:
    """Return how many sentences hold, fail and are undecided, as the report counts them."""
    rows = run.table("claims")
    rows = rows[rows["experiment"] != ""]
    lacking = int((rows["count"] == 0).sum())
    if lacking == len(rows):
        return None

    def counted(column: str) -> str:
        counts = rows[column].value_counts()
        return ", ".join(f"{counts.get(key, 0)} {verb}" for key, verb in VERDICTS.items())

    own = int((rows["range_source"] == "ours").sum())
    again = len(rows) - rows["claim"].nunique()
    lack = f" For {lacking} of the undecided this run has not the networks that they are about."
    return (
        f"Of {len(rows)} judgements of the papers' sentences, {counted('verdict')}. Adjusted for "
        f"their number, {counted('verdict_adjusted')}.{lack if lacking else ''} The range in which "
        f"a sentence holds is our reading of it in {own}; {again} are of a sentence that another "
        "experiment, of partly the same networks, is judged on, too."
    )


def networks(run: Published, *experiments: str) -> str | None:
    """Return what was measured of the networks of some experiments, a line per setting."""
    cells = run.cells(*experiments)
    if cells.empty:
        return None
    measures = {
        "accuracy": "accuracy",
        "accuracy, train": "train_accuracy",
        "gradient norm, ties broken": "grad_l1_untied",
        "at the image": "grad_l1",
        "non-zero": "grad_nonzero",
        "vulnerability": "vulnerability",
        "damage": "damage",
    }
    return markdown(
        ["network", "size", "training", "networks", *measures],
        [
            [
                *_named(setting),
                len(group),
                *(spread(group[f"{measure}_median"]) for measure in measures.values()),
            ]
            for setting, group in cells.groupby(SETTING, sort=False)
        ],
    )


def epochs(run: Published, experiment: str) -> str | None:
    """Return, per measured epoch of usual training (-1: before it), norms and accuracies by size.

    The exponent in d tells whether the growth is still changing when training ends.
    """
    cells = run.cells(experiment)
    rows = run.table("epochs").merge(cells[[*IDENTITY, "dimension"]])
    rows = rows[(rows["method"] == "none") & (rows["split"] == "test")]
    if rows.empty:
        return None
    if len(set(rows["network"])) > 1:
        raise FillError(f"The part 'epochs' shows one network; {experiment!r} has several.")
    sizes = sorted(rows["size"].unique())
    columns = [f"{size} px, gradient norm" for size in sizes]
    return markdown(
        ["epoch", *columns, "exponent in d", "accuracies"],
        [
            [
                epoch,
                *(spread(of.loc[of["size"] == size, "grad_l1_untied"]) for size in sizes),
                _exponent(of),
                ", ".join(number(of.loc[of["size"] == s, "accuracy"].mean()) for s in sizes),
            ]
            for epoch, of in rows.groupby("epoch")
        ],
    )


def attacks(run: Published, *experiments: str) -> str | None:
    """Return the vulnerability under every attack at the reported threshold, per setting."""
    wanted = {a for name in experiments for a in run.config.experiments[name].attacks}
    summaries = run.table("attack_summaries")
    rows = summaries[summaries["reported"].astype(bool) & summaries["attack"].isin(wanted)]
    rows = rows.merge(run.cells(*experiments)[[*IDENTITY, "grad_l1_untied_median"]], on=IDENTITY)
    if rows.empty:
        return None
    names = list(rows["attack"].drop_duplicates())
    table = markdown(
        ["network", "size", "training", "networks", "accuracy", "gradient norm", *names],
        [
            [
                *_named(setting),
                group["seed"].nunique(),
                number(group["accuracy"].mean()),
                number(group["grad_l1_untied_median"].mean()),
                *(spread(group.loc[group["attack"] == a, "vulnerability"]) for a in names),
            ]
            for setting, group in rows.groupby(SETTING, sort=False)
        ],
    )
    efforts = rows.loc[rows["effort"] != "", ["attack", "effort"]].drop_duplicates()
    thresholds = ", ".join(number(value) for value in sorted(rows["threshold"].unique()))
    said = [f"The l-inf threshold is {thresholds}, on {rows['samples'].max()} images."]
    said += [f"`{row.attack}` has {row.effort}." for row in lines_of(efforts)]
    return f"{table}\n\n{' '.join(said)}"


def bounds(run: Published, *experiments: str) -> str | None:
    """Return lower bounds and the smallest adversarial per setting, medians over images."""
    cells = run.cells(*experiments)
    rows = run.table("bound_summaries").merge(cells[IDENTITY], on=IDENTITY)
    if rows.empty:
        return None
    quantities = {
        "published bound": "published",
        "sound bound": "sound",
        "smallest adversarial": "best_attack",
    }

    def median(group: pd.DataFrame, quantity: str) -> str:
        return spread(group.loc[group["quantity"] == quantity, "median_pixel"])

    def violations(group: pd.DataFrame, quantity: str) -> str:
        of = group[group["quantity"] == quantity]
        return f"{int(of['violations'].sum())} of {int(of['samples'].sum())}"

    return markdown(
        [
            "network",
            "size",
            "training",
            "networks",
            *quantities,
            "published violated",
            "sound violated",
        ],
        [
            [
                *_named(setting),
                group["seed"].nunique(),
                *(median(group, quantity) for quantity in quantities.values()),
                violations(group, "published"),
                violations(group, "sound"),
            ]
            for setting, group in rows.groupby(SETTING, sort=False)
        ],
    )


def _judged(run: Published, figures: tuple[str, ...]) -> pd.DataFrame:
    rows = run.table("claims")
    rows = rows[rows["figure"].isin(figures) & (rows["experiment"] != "")]
    # Where one experiment speaks of a sentence, those that cannot are left out.
    spoken = rows.groupby("claim")["count"].transform("max")
    return rows[(rows["count"] > 0) | (spoken == 0)]


def _verdict(row: object) -> str:
    verdict, adjusted, reason = (
        getattr(row, name) for name in ("verdict", "verdict_adjusted", "reason")
    )
    if verdict == "undecided":
        return f"undecided: {reason}"
    where = reason.partition("; ")[2]
    said = [verdict, *([where] if where else [])]
    if adjusted != verdict:
        said.append("not when adjusted for the number of claims")
    return "; ".join(said)


def _named(setting: tuple[object, ...]) -> Iterator[str]:
    network, size, method, epsilon = setting
    yield f"`{network}`"
    yield str(size)
    yield _trained(method, epsilon)


def _trained(method: object, epsilon: object) -> str:
    return "usual" if method == "none" else f"`{method}` {epsilon:g}"


def _changed(change: Change, unit: str = "") -> str:
    ends = f"{number(change.smallest)} to {number(change.largest)}"
    return f"{ends}: **{interval(change.change, change.low, change.high)}**{unit}"


def _exponent(rows: pd.DataFrame) -> str:
    """Return the exponent of the gradient norm in d, with its interval over networks."""
    ends = interval_over_networks(rows, lambda drawn: exponent(drawn, "grad_l1_untied"))
    return interval(exponent(rows, "grad_l1_untied"), *ends)

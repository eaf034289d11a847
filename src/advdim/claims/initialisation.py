"""Claims of ICML 2019, Section 3: gradients at initialisation, network by network."""

from __future__ import annotations

import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Select, Tables
from advdim.claims.statistics import exponent
from advdim.tables.exponents import PREDICTED, predicted_exponent

SENTENCES = {
    "loss_l1": "The l1-norm of the loss gradient grows like sqrt(d) at initialisation.",
    "loss_l2": "The l2-norm of the loss gradient does not depend on d at initialisation.",
    "logit_l2": "The l2-norm of a logit's gradient does not depend on d at initialisation.",
    "logit_mean": "The coordinates of a logit's gradient are of order 1/sqrt(d) at initialisation.",
}
TOLERANCE = 0.1


def _select(statistic: str, beyond: bool) -> Select:
    def select(tables: Tables, experiment: str) -> pd.DataFrame:
        rows = tables["initialisation"]
        chosen = (rows["experiment"] == experiment) & (rows["statistic"] == f"{statistic}_untied")
        rows = rows[chosen]
        # At one size a hypothesis may hold that another size breaks.
        outside = rows["beyond"].notna().groupby(rows["network"]).transform("any")
        if len(rows) and not (outside == beyond).any():
            place = "beyond the theorems" if beyond else "within the theorems' hypotheses"
            raise needs.Undecidable(f"no network of the experiment is {place}")
        return needs.sizes(rows[outside == beyond])

    return select


def _undampened_exponent(rows: pd.DataFrame) -> float:
    """Return the exponent in d, and what averages over maps that grow with d take from it."""
    return exponent(rows, "value") - predicted_exponent(rows, 0.0)


def _claim(statistic: str, beyond: bool) -> Claim:
    predicted = PREDICTED[statistic]
    return Claim(
        name=f"initial_{statistic}{'_beyond' if beyond else ''}",
        sentence=SENTENCES[statistic],
        source="beyond the theorems of ICML 2019, Section 3: remarks, and Appendix B on averages"
        if beyond
        else "ICML 2019, Theorems 4 and 5",
        figure="initialisation_norms",
        tables=("initialisation",),
        statistic="exponent in d, ties broken, plus what averages over growing maps take from it"
        if beyond
        else "exponent in d, ties broken",
        low=predicted - TOLERANCE,
        high=predicted + TOLERANCE,
        select=_select(statistic, beyond),
        estimate=_undampened_exponent if beyond else lambda rows: exponent(rows, "value"),
        each="network",
    )


CLAIMS = tuple(_claim(statistic, beyond) for beyond in (False, True) for statistic in SENTENCES)

"""The hypotheses of Theorems 4 and 5 (ICML 2019, Section 3.2), and who is judged by them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from advdim.claims.registry import CLAIMS
from advdim.claims.verdicts import claim_rows
from advdim.config.network import AnyNetwork

from . import worlds

PLAIN = {"layers": 4, "width": 8, "padding": "circular", "batch_norm": False, "head": "flatten"}


@pytest.mark.parametrize(
    ("settings", "beyond"),
    [
        ({"kind": "fully_connected"}, None),
        ({"kind": "fully_connected", "initialisation": "glorot"}, "glorot initialisation"),
        (PLAIN, None),
        ({**PLAIN, "padding": "reflect"}, None),
        ({**PLAIN, "strides": [1, 2, 1, 2]}, None),
        ({**PLAIN, "dilation": 2}, None),
        ({**PLAIN, "initialisation": "orthogonal"}, "orthogonal initialisation"),
        ({**PLAIN, "batch_norm": True}, "batch norm"),
        ({**PLAIN, "pool": "max", "pool_after": [2]}, "max pools"),
        ({**PLAIN, "pool": "average", "pool_after": [2]}, "average pools"),
        ({**PLAIN, "pool": "strided", "pool_after": [2]},
         "strided pools without ReLU before them"),
        ({**PLAIN, "head": "global_max"}, "a global maximum"),
        ({**PLAIN, "head": "global_average"}, "a global average"),
        ({**PLAIN, "padding": "zeros"}, "padding with zeros"),
        ({**PLAIN, "strides": [1, 3, 1, 1]}, "strides that do not divide their maps"),
        ({**PLAIN, "strides": [1, 2, 1, 1], "dilation": 2},
         "strides with dilation, which pass pixels over"),
        ({"kind": "residual"}, "residual connections"),
        ({"kind": "vision_transformer"}, "residual connections"),
        ({"kind": "mixer"}, "residual connections"),
        ({"kind": "lenet"}, "initialisation of variance 1/fan_in"),
        ({"kind": "module", "module": "torch.nn:Identity"},
         "not a succession of convolutions and dense layers"),
    ],
)  # fmt: skip
def test_what_puts_a_network_beyond_the_theorems(settings, beyond):
    network = TypeAdapter(AnyNetwork).validate_python(settings)
    assert network.beyond_theorems(32) == beyond


def test_each_network_is_judged_by_name_within_the_theorems_or_beyond():
    rows = list(claim_rows(CLAIMS[:8], worlds.tables(1, seeds=3), worlds.FIGURES, {}))
    assert [row["claim"] for row in rows] == [
        *(f"initial_{statistic}_of_dense" for statistic in worlds.STATISTICS),
        *(f"initial_{statistic}_beyond_of_residual" for statistic in worlds.STATISTICS),
    ]
    assert rows[0]["sentence"].endswith("grows like sqrt(d) at initialisation: dense.")
    assert rows[0]["source"] == "ICML 2019, Theorems 4 and 5"
    assert rows[-1]["source"].startswith("beyond the theorems")


def test_a_network_that_breaks_a_hypothesis_at_one_size_is_beyond():
    tables = worlds.tables(1, seeds=3)
    rows = tables["initialisation"]
    rows.loc[(rows["network"] == "dense") & (rows["size"] == 8), "beyond"] = "strides"
    found = {row["claim"] for row in claim_rows(CLAIMS[:8], tables, worlds.FIGURES, {})}
    assert {"initial_loss_l1", "initial_loss_l1_beyond_of_dense"} <= found

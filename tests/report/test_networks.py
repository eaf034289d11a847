from __future__ import annotations

import pandas as pd
import pytest

from advdim.report.networks import provenance_of

NOTHING_KNOWN = {"seconds": None, "device": None, "commit": None, "versions": None}
TRAINED = {"seconds": 1800.0, "device": "cpu", "commit": "abc", "versions": '{"torch": "2"}'}


def test_the_provenance_leaves_out_networks_without_a_record():
    facts = provenance_of(pd.DataFrame([TRAINED, NOTHING_KNOWN]))
    assert facts == {
        "Hours of training and measuring": "0.50",
        "Trained on": "cpu (1)",
        "Code of the networks": "abc (1)",
        "Versions (1 network)": "torch 2",
    }


@pytest.mark.parametrize("seconds", [None, 3600.0])
def test_where_no_network_has_a_record_only_hours_are_known(seconds):
    facts = provenance_of(pd.DataFrame([{**NOTHING_KNOWN, "seconds": seconds}]))
    assert facts == {"Hours of training and measuring": "1.00" if seconds else "0.00"}

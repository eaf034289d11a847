"""The comparison of attacks that look for the smallest adversarial."""

import sys

import numpy as np
import pytest


@pytest.fixture
def smallest_adversarials(benchmark_module):
    return benchmark_module("smallest_adversarials")


def test_a_misspelt_name_gets_one_sentence(smallest_adversarials, monkeypatch, capsys):
    monkeypatch.setattr(smallest_adversarials, "of_adv_lib", dict)
    monkeypatch.setattr(sys, "argv", ["it", "network", "pixels", "--only", "fmn_l2", "fmn_l3"])
    with pytest.raises(SystemExit):
        smallest_adversarials.main()
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "--only names 'fmn_l3', and there are: fmn_l2, fmn_linf" in sentence


def test_norms_are_held_to_the_smallest_in_their_own_norm(smallest_adversarials):
    def found(norm, *norms):
        passes = {"forward_passes": 1, "backward_passes": 2, "seconds": 0.1}
        return {"norm": norm, "norms": np.array(norms), **passes}

    table = smallest_adversarials.compared(
        {
            "one": found("l2", 1.0, 4.0, np.inf, 5.0),
            "other": found("l2", 2.0, 2.0, 3.0, 5.0),
            "third": found("linf", 0.1, 0.1, 0.1, 0.1),
        }
    )
    assert table["one"]["found"] == 0.75
    assert table["one"]["mean_ratio_where_found"] == pytest.approx((1 + 2 + 1) / 3)
    assert table["other"]["within_1_percent"] == 0.75
    assert table["third"]["mean_ratio_where_found"] == 1

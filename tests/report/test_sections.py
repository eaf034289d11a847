from __future__ import annotations

import pandas as pd

from advdim.claims.registry import CLAIMS
from advdim.report.sections import FIGURES_OF_PARTS, OTHERS, by_part, part_of


def test_every_claim_has_its_part_of_a_paper():
    for claim in CLAIMS:
        part = part_of(claim.figure, claim.source)
        assert part != OTHERS, claim.name
        paper = claim.source.removeprefix("beyond the theorems of ")[:4]
        assert paper.lower() in part.lower() or part == "Beyond the papers", claim.name


def test_parts_come_in_the_papers_order_and_hold_every_row_once():
    rows = pd.DataFrame(
        {"figure": claim.figure, "source": claim.source, "claim": claim.name} for claim in CLAIMS
    ).sample(frac=1, random_state=0)
    parts = dict(by_part(rows))
    assert list(parts) == [part for part in FIGURES_OF_PARTS if part in parts]
    assert sorted(pd.concat(parts.values())["claim"]) == sorted(rows["claim"])


def test_networks_beyond_the_theorems_are_apart():
    inside = part_of("initialisation_norms", "ICML 2019, Theorems 4 and 5")
    beyond = part_of("initialisation_norms", "beyond the theorems of ICML 2019, Section 3")
    assert inside != beyond
    assert "beyond" in beyond


def test_a_claim_about_an_unknown_figure_is_not_lost():
    rows = pd.DataFrame({"figure": ["of_my_own"], "source": ["a paper"]})
    assert [part for part, _ in by_part(rows)] == [OTHERS]

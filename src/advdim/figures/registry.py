"""Which figures exist, and what each is drawn from; importing this loads no plotting library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FigureEntry:
    """One figure: the function that draws it, the tables it reads, and what it shows."""

    module: str
    function: str
    tables: tuple[str, ...]
    title: str


FIGURES: dict[str, FigureEntry] = {
    "regularisation_methods": FigureEntry(
        "regularisation",
        "regularisation_methods",
        ("cells",),
        "Figure 1: gradient norms, vulnerability and accuracy of every training method",
    ),
    "matched_strengths": FigureEntry(
        "regularisation",
        "matched_strengths",
        ("cells",),
        "Figure 1a-c with the methods' first-order strengths matched",
    ),
    "input_dimension": FigureEntry(
        "dimension",
        "input_dimension",
        ("cells", "epochs"),
        "Figure 2: vulnerability, gradient norms and accuracy against the input dimension",
    ),
}

"""A sweep in pixel units is the same sweep as in normalised ones, down to its tables."""

import pytest

from advdim.config import load
from advdim.stages.attack import attack_cell
from advdim.stages.pixels import prepare_pixels
from advdim.stages.train import train_cell
from advdim.sweep import experiments_by_cell
from advdim.tables import read_table

STD = 0.25
# By how much a number in normalised units is that in pixels: Eq. 18 has a squared gradient.
POWERS = {"cross_lipschitz": 2}


def in_units(raw, units):
    """Return a sweep of two methods whose strengths and thresholds are given in some units."""
    per_unit = STD if units == "pixel" else 1.0
    raw["units"] = units
    raw["datasets"]["digits"]["normalisation"] = {"mean": [0.3], "std": [STD]}
    raw["training"]["epochs"] = 1
    raw["training"]["measurement"]["threshold"] = 0.08 * per_unit
    raw["attacks"] |= {"threshold": 0.16 * per_unit, "thresholds": [0.04 * per_unit]}
    methods = ["pgd_linf", "cross_lipschitz"]
    raw["experiments"] = {
        "units": {
            "dataset": "digits", "network": "strided4", "sizes": [8], "methods": methods,
            "epsilons_by_method": {
                method: [0.08 * per_unit ** POWERS.get(method, 1)] for method in methods
            },
        }
    }  # fmt: skip
    return load(raw)


def made(config, folder):
    """Train and attack the sweep's networks; return their tables."""
    pixels = folder / "pixels.safetensors"
    prepare_pixels(config, "digits", 8, pixels)
    tables = []
    for number, cell in enumerate(experiments_by_cell(config)):
        files = {name: folder / f"{number}.{name}" for name in ("network", "epochs", "samples")}
        record = train_cell(config, cell, pixels, files, folder / "checkpoints")
        assert record["attack_threshold"] == pytest.approx(0.08)
        attacked = folder / f"{number}.attacks"
        attack_cell(config, cell, "fgsm", files["network"], pixels, attacked)
        epochs = read_table(files["epochs"]).drop(columns="seconds")
        tables += [epochs, read_table(attacked)]
    return tables


def test_tables_hold_normalised_units_whatever_the_sweeps(raw_config, tmp_path):
    normalised = made(in_units(raw_config, "normalised"), tmp_path / "normalised")
    pixel = made(in_units(raw_config, "pixel"), tmp_path / "pixel")
    for table, other in zip(normalised, pixel, strict=True):
        assert set(other["epsilon"]) == {0.08}
        if "thresholds" in other:
            assert other["thresholds"][0] == pytest.approx([0.16, 0.04])
        numbers = table.select_dtypes("number")
        assert len(numbers.columns) > 10
        for column in numbers:
            assert other[column].to_numpy() == pytest.approx(
                numbers[column].to_numpy(), rel=1e-4, nan_ok=True
            ), column


def test_the_same_cells_have_the_same_paths(raw_config):
    both = [list(experiments_by_cell(in_units(raw_config, u))) for u in ("normalised", "pixel")]
    assert both[0] == both[1]
    assert [cell.epsilon for cell in both[1]] == ["0.08", "0.08"]


def test_default_thresholds_are_the_papers_in_either_unit(raw_config):
    """.004 normalised is .08 % of the pixel range, and .5 % of it .025 (Section 4)."""
    del raw_config["attacks"], raw_config["training"]["measurement"]
    for block in raw_config["experiments"].values():
        block["epsilons"] = [0]
    normalised, pixel = load(raw_config), load({**raw_config, "units": "pixel"})
    for number, other in [
        *zip(normalised.attacks.thresholds, pixel.attacks.thresholds, strict=True),
        (normalised.attacks.threshold, pixel.attacks.threshold),
        (normalised.training.measurement.threshold, pixel.training.measurement.threshold),
    ]:
        assert other == pytest.approx(0.2 * number)

import math

import pytest
import torch

from advdim.units import Normalisation, threshold, to_normalised


def test_normalisation_matches_torchvision():
    from advdim.data.torchvision_import import torchvision

    pixels = torch.rand(4, 3, 5, 5)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    expected = torchvision("transforms.v2.functional").normalize(pixels, list(mean), list(std))
    normalisation = Normalisation(mean, std)
    torch.testing.assert_close(normalisation.apply(pixels), expected)
    torch.testing.assert_close(normalisation.invert(normalisation.apply(pixels)), pixels)
    low, high = normalisation.box(pixels)
    torch.testing.assert_close(low, normalisation.apply(torch.zeros(1, 3, 1, 1)))
    torch.testing.assert_close(high, normalisation.apply(torch.ones(1, 3, 1, 1)))


@pytest.mark.parametrize("epsilon", [0.0, 0.005])
def test_pixel_thresholds_are_divided_by_the_deviation(epsilon):
    normalisation = Normalisation((0.5,), (0.2,))
    assert to_normalised(epsilon, "pixel", normalisation) == pytest.approx(epsilon * 5)
    assert to_normalised(epsilon, "pixel", normalisation, 2) == pytest.approx(epsilon * 25)
    assert to_normalised(epsilon, "normalised", normalisation) == epsilon


def test_thresholds_across_norms():
    assert threshold(0.005, 3072, math.inf) == 0.005
    assert threshold(0.005, 3072, 2) == pytest.approx(0.277, abs=1e-3)

"""Norms and directions of gradients however small, against float64."""

import pytest
import torch

from advdim.networks.perturbations import norms, steepest


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e-14, 1e-17, 1e-20, 1e-25, 1e-36])
def test_an_l2_norm_is_right_where_squares_underflow(scale):
    random = torch.Generator().manual_seed(0)
    values = torch.randn(6, 3, 8, 8, generator=random) * scale
    exact = values.double().flatten(1).norm(dim=1)
    assert torch.allclose(norms(values, "l2").double(), exact, rtol=1e-5, atol=0)
    lengths = steepest(values, "l2").flatten(1).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(6), rtol=1e-5)


def test_ordinary_norms_keep_their_bits_and_none_is_made_of_nothing():
    values = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(norms(values, 2), torch.linalg.vector_norm(values.flatten(1), dim=1))
    assert not steepest(torch.zeros(2, 3, 4, 4), "l2").any()
    lost = torch.tensor([torch.nan, torch.inf]).view(2, 1, 1, 1)
    assert not norms(lost, 2).isfinite().any()


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0])
def test_a_norm_has_a_gradient_at_any_length(scale):
    values = (torch.ones(1, 4) * scale).requires_grad_()
    (gradient,) = torch.autograd.grad(norms(values, 2).sum(), values)
    expected = torch.full((1, 4), 0.5 if scale else 0.0)
    assert torch.allclose(gradient, expected)

"""Layers for a GPU, tested on a processor: bit for bit PyTorch's own, whose order is fixed here."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advdim.networks import layers
from advdim.networks.layers import GlobalMaxPool, ReflectedConvolution, folded, largest, reflected


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Let no device pass as one whose own backward passes have a fixed order."""
    monkeypatch.setattr(layers, "ORDERED", frozenset())


def draw(*shape, seed=0, channels_last=True):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.contiguous(memory_format=torch.channels_last) if channels_last else values


@st.composite
def paddings(draw_from):
    edges = draw_from(st.tuples(*[st.integers(1, 9)] * 2))
    sides = [st.integers(0, edge - 1) for edge in (edges[1], edges[1], edges[0], edges[0])]
    return edges, draw_from(st.tuples(*sides))


@given(paddings(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_copies_are_added_in_the_processors_order(geometry, channels_last):
    edges, padding = geometry
    maps = draw(2, 3, *edges, channels_last=channels_last)
    cotangent = draw(*F.pad(maps, padding, mode="reflect").shape, seed=1)
    expected = torch.ops.aten.reflection_pad2d_backward(cotangent, maps, padding)
    assert torch.equal(folded(cotangent, edges, padding), expected)


@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_reflected_convolution_is_pytorchs(as_on_a_gpu, stride, dilation):
    geometry = {"stride": stride, "padding": dilation, "dilation": dilation}
    ours = ReflectedConvolution(3, 4, 3, **geometry).double()
    theirs = nn.Conv2d(3, 4, 3, **geometry, padding_mode="reflect").double()
    theirs.load_state_dict(ours.state_dict())
    results = []
    for layer in (ours, theirs):
        maps = draw(5, 3, 6, 8).requires_grad_()
        outputs = layer(maps)
        wanted = (maps, *layer.parameters())
        results.append([outputs, *torch.autograd.grad(outputs.square().sum(), wanted)])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("levels", [1, 2, 1000])
@pytest.mark.parametrize("channels_last", [True, False])
def test_of_equal_values_the_same_one_is_largest_as_with_pytorch(
    as_on_a_gpu, levels, channels_last
):
    results = []
    for pool in (GlobalMaxPool(), nn.AdaptiveMaxPool2d(1)):
        # few levels: most maps have their largest value more than once
        maps = draw(6, 5, 4, 7, channels_last=channels_last).mul(levels).round().clamp(0, levels)
        maps.requires_grad_()
        outputs = pool(maps)
        (gradient,) = torch.autograd.grad(outputs, maps, draw(6, 5, 1, 1))
        results.append((outputs, gradient))
    (outputs, gradient), expected = results
    assert torch.equal(outputs, expected[0])
    assert torch.equal(gradient, expected[1])
    _, places = largest(maps)
    assert torch.equal(places, F.adaptive_max_pool2d_with_indices(maps, 1)[1])


@pytest.mark.parametrize("layer", [lambda x: reflected(x, (1, 2, 2, 0)), GlobalMaxPool()])
def test_second_derivatives(as_on_a_gpu, layer):
    maps = draw(2, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(layer, maps)
    assert torch.autograd.gradgradcheck(layer, maps)

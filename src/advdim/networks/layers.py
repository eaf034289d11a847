"""Layers that give the same bits every time, on a GPU, too.

PyTorch's backward passes of reflection padding and of adaptive max pooling add on a GPU in whatever
order its threads arrive. On a processor their order is fixed, and they are fastest; anywhere else
what stands here is used: the same values, added in the processor's order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Widths left, right, top, bottom.
Padding = tuple[int, int, int, int]
# Devices on which PyTorch's own backward passes add in a fixed order.
ORDERED = frozenset({"cpu"})


class ReflectedConvolution(nn.Conv2d):
    """A convolution after reflection padding, as ``nn.Conv2d`` with ``padding_mode='reflect'``."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "padding_mode": "reflect"})

    def _conv_forward(self, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(
            padded(self, maps), weight, bias, self.stride, 0, self.dilation, self.groups
        )


class GlobalMaxPool(nn.AdaptiveMaxPool2d):
    """The largest value of each map, (N, C, H, W) to (N, C, 1, 1); of equal ones the first."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the largest values."""
        return largest(maps)[0]


def in_turn(network: nn.Module) -> list[nn.Module] | None:
    """Return the layers of a network that applies them in turn and does nothing else; else None.

    A sequence with a ``forward`` or hooks of its own does something else.
    """
    if not isinstance(network, nn.Sequential):
        return None
    own = type(network).forward is not nn.Sequential.forward
    return None if own or has_hooks(network) else list(network)


def has_hooks(module: nn.Module) -> bool:
    """Tell whether something else is called along with a module, as ``spectral_norm`` sets it.

    It may change the module's weights, inputs, outputs or gradients. A hook with an attribute
    ``same_function`` changes the arithmetic alone.
    """
    hooks = (
        hook
        for kind in ("forward_pre", "forward", "backward_pre", "backward")
        for hook in getattr(module, f"_{kind}_hooks").values()
    )
    return not all(hasattr(hook, "same_function") for hook in hooks)


def padded(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Pad (N, C, H, W) as a convolution whose mode is not ``zeros`` does before it convolves."""
    widths = tuple(convolution._reversed_padding_repeated_twice)
    if convolution.padding_mode == "reflect":
        return reflected(maps, widths)  # type: ignore[arg-type]
    return F.pad(maps, widths, mode=convolution.padding_mode)


def reflected(maps: Tensor, padding: Padding) -> Tensor:
    """Pad (N, C, H, W) by reflection at its outermost pixels, as ``F.pad`` with ``reflect``."""
    if maps.device.type in ORDERED:
        return F.pad(maps, padding, mode="reflect")
    result: Tensor = _Reflect.apply(maps, padding)
    return result


def largest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest value of each map of (N, C, H, W), and its place, both (N, C, 1, 1).

    A place is an index into the H * W pixels, row by row: of the first of equal values.
    """
    if maps.device.type in ORDERED:
        return F.adaptive_max_pool2d_with_indices(maps, 1)
    values, places = maps.permute(0, 2, 3, 1).flatten(1, 2).max(1)
    return values[:, :, None, None], places[:, :, None, None]


class _Reflect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, padding: Padding) -> Tensor:
        ctx.edges, ctx.padding = maps.shape[2:], padding
        return F.pad(maps, padding, mode="reflect")

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        return _Fold.apply(cotangent, ctx.edges, ctx.padding), None, None


class _Fold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, edges: tuple[int, int], padding: Padding) -> Tensor:
        ctx.padding = padding
        return folded(maps, edges, padding)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        return _Reflect.apply(cotangent, ctx.padding), None, None


def folded(maps: Tensor, edges: tuple[int, int], padding: Padding) -> Tensor:
    """Add up what reflection padding has copied: its adjoint, (N, C, H', W') to (N, C, H, W).

    ``edges`` are H and W. Each pixel's copies are added one by one, in the order of their places.
    """
    places, tables = _copies(*edges, padding, maps.device)
    pixels = maps.permute(0, 2, 3, 1).flatten(1, 2)
    parts = [pixels]
    for table in tables:
        total, *copies = pixels.index_select(1, table.flatten()).unflatten(1, table.shape).unbind(1)
        for copy in copies:
            total = total + copy
        parts.append(total)
    return torch.cat(parts, 1).index_select(1, places).unflatten(1, edges).permute(0, 3, 1, 2)


@lru_cache(maxsize=256)
def _copies(
    height: int, width: int, padding: Padding, device: torch.device
) -> tuple[Tensor, list[Tensor]]:
    """Return where each pixel's sum is found behind the padded pixels, and of what it is made.

    A table per number of copies above one, (copies, pixels), holds their places in the padded map.
    Pixels with a single copy need no sum: theirs is that copy.
    """
    numbers = torch.arange(height * width, dtype=torch.float64).view(1, 1, height, width)
    source = F.pad(numbers, padding, mode="reflect").flatten().long()
    ordered, counts = source.argsort(stable=True), source.bincount()
    first = counts.cumsum(0) - counts
    places, tables, behind = ordered[first], [], len(source)
    for count in counts.unique().tolist():
        if count > 1:
            (pixels,) = (counts == count).nonzero(as_tuple=True)
            tables.append(ordered[first[pixels] + torch.arange(count)[:, None]].to(device))
            places[pixels] = behind + torch.arange(len(pixels))
            behind += len(pixels)
    return places.to(device), tables

"""Import torchvision beside a CPU-only torch, whose build lacks two operators it asks for."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: torch.library.Library | None = None


def torchvision(module: str) -> ModuleType:
    """Return ``torchvision.<module>``, declaring the missing operators first where need be."""
    global _library
    try:
        return importlib.import_module(f"torchvision.{module}")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _library is not None:
            raise
    _library = torch.library.Library("torchvision", "DEF")
    for operator in _SCHEMAS.values():
        _library.define(operator)
    return importlib.import_module(f"torchvision.{module}")

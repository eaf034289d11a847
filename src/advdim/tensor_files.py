"""Tensors with a JSON description in one safetensors file: written atomically, never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from advdim.files import atomic

_KEY = "advdim"


class DamagedFileError(ValueError):
    """A file is missing, truncated or not one of ours."""


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]
) -> None:
    """Write tensors, brought to the processor and made contiguous, and their description."""
    stored = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    with atomic(path) as temporary:
        save_file(stored, temporary, metadata={_KEY: json.dumps(description, sort_keys=True)})


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return (tensors, description); raises DamagedFileError where the file is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads(file.metadata()[_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DamagedFileError(str(error)) from error
    return tensors, description

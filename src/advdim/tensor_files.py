"""Tensors with a JSON description in one safetensors file: written atomically, never unpickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from advdim.files import atomic

_KEY = "advdim"
# Images, or labels, written at a time.
PIECE = 1024


class DamagedFileError(ValueError):
    """A file is missing, truncated or not one of advdim's."""


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


def stream_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]
) -> None:
    """Write uint8 and int64 tensors as they lie in memory or in a mapped file, without a copy.

    The format (a length, a JSON header, the data in the header's order) is that of safetensors,
    whose own writer makes a copy of everything first.
    """
    types = {torch.uint8: "U8", torch.int64: "I64"}
    # Wider types first, so that all data are aligned.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, Any] = {"__metadata__": {_KEY: json.dumps(description, sort_keys=True)}}
    start = 0
    for name, tensor in ordered:
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": types[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in ordered:
            for part in tensor.split(PIECE):
                file.write(memoryview(part.contiguous().numpy()).cast("B"))


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return (tensors, description); raises DamagedFileError where the file is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads(file.metadata()[_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DamagedFileError(str(error)) from error
    return tensors, description

"""In which order a batch's values lie in memory: what convolves fastest depends on the device."""

from __future__ import annotations

import torch


def memory_format(device: torch.device | str, precision: str = "float32") -> torch.memory_format:
    """Return the order in which a device convolves fastest: channels last, or rows last.

    Measured (docs/speed.md): a processor, and the tensor cores of a GPU, are faster with the
    channels last; a GPU's float32 units with the rows last.
    """
    if torch.device(device).type == "cuda" and precision == "float32":
        return torch.contiguous_format
    return torch.channels_last

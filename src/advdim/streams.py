"""Named random streams: one independent generator per (owner, purpose).

A stream depends on its names alone, so adding a cell changes no other cell, and a stream that
names its epoch can be picked up at that epoch without replaying the ones before.
"""

from __future__ import annotations

import hashlib

import torch


def stream_seed(*names: object) -> int:
    """Return a 63-bit seed that depends on the names and their order alone."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(*names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for the named stream on a device."""
    return torch.Generator(device=device).manual_seed(stream_seed(*names))

"""A network that was trained elsewhere, on digits in [0, 1]; run as a script it saves its weights.

In this folder:

    ../../.venv/bin/python digits_network.py
    ../../.venv/bin/snakemake --snakefile ../../Snakefile --configfile sweep.yaml --cores all
"""

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn


class DigitsNetwork(nn.Sequential):
    """Any size fits: the mean over the last map ends it."""

    def __init__(self, channels: int, size: int, classes: int, width: int = 16) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * width, classes),
        )


def main() -> None:
    """Train for seconds and save the weights."""
    torch.manual_seed(0)
    data = load_digits()
    pixels = torch.tensor(data.images, dtype=torch.float32)[:1200, None] / 16
    labels = torch.tensor(data.target)[:1200]
    network = DigitsNetwork(1, 8, 10)
    descent = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(6):
        for rows in torch.randperm(len(pixels)).split(64):
            descent.zero_grad()
            nn.functional.cross_entropy(network(pixels[rows]), labels[rows]).backward()
            descent.step()
    save_file(network.state_dict(), "digits.safetensors")


if __name__ == "__main__":
    main()

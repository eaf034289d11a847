"""Plain training, as research code usually writes it: what speed and results are held to.

Float32 (or float64, as a judge) in the default layout; padding, convolution, pool, batch norm and
ReLU each a module; attacks in a loop of autograd calls; a clean pass for the log in every step.
Formulas are written out from ICML 2019, Eqs. 4, 5 and 18, independently of the package.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.data import Augmentation
from advdim.config.training import Training
from advdim.data.pixels import Pixels
from advdim.data.torchvision_import import torchvision


def plain_network(
    settings: ConvolutionalNetwork, channels: int, size: int, classes: int
) -> nn.Sequential:
    """Return the layers of Section 4, each a module of its own."""
    dilation, layers = settings.dilation_at(size), []
    for number, stride in enumerate(settings.layer_strides(), start=1):
        layers.append(nn.ReflectionPad2d(dilation))
        layers.append(nn.Conv2d(channels, settings.width, 3, stride=stride, dilation=dilation))
        channels = settings.width
        if number in settings.pool_after:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.BatchNorm2d(settings.width), nn.ReLU()]
    if settings.head == "global_max":
        layers.append(nn.AdaptiveMaxPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(settings.width, classes))


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy parameters and statistics between networks that hold them in the same order."""
    tensors = zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    with torch.no_grad():
        for value, place in tensors:
            place.copy_(value)


def plain_objective(
    method: str, network: nn.Module, inputs: Tensor, targets: Tensor, epsilon: float, start: Tensor
) -> Tensor:
    """Return the method's objective; ``start`` is PGD's random start, in [-epsilon, epsilon]."""
    dimension = inputs[0].numel()
    if method == "none":
        return F.cross_entropy(network(inputs), targets)
    if method in ("grad_l1", "grad_l2"):
        variable = inputs.clone().requires_grad_()
        loss = F.cross_entropy(network(variable), targets)
        (gradient,) = torch.autograd.grad(loss, variable, create_graph=True)
        per_sample = gradient.flatten(1) * len(inputs)
        if method == "grad_l1":
            return loss + epsilon / 2 * per_sample.abs().sum(1).mean()
        return loss + epsilon / 2 * dimension**0.5 * per_sample.pow(2).sum(1).sqrt().mean()
    if method in ("aug_linf", "aug_l2"):
        variable = inputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(variable), targets), variable)
        if method == "aug_linf":
            delta = epsilon * gradient.sign()
        else:
            length = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            delta = epsilon * dimension**0.5 * gradient / length
        clean = F.cross_entropy(network(inputs), targets)
        return (clean + F.cross_entropy(network(inputs + delta), targets)) / 2
    if method == "pgd_linf":
        delta = plain_pgd(network, inputs, targets, epsilon, start, 7, 1 / (0.75 * 7))
        return F.cross_entropy(network(inputs + delta), targets)
    if method == "cross_lipschitz":
        variable = inputs.clone().requires_grad_()
        logits = network(variable)
        classes = logits.shape[1]
        gradients = [
            torch.autograd.grad(logits[:, k].sum(), variable, create_graph=True)[0].flatten(1)
            for k in range(classes)
        ]
        pairs = sum((a - b).pow(2).sum(1) for a in gradients for b in gradients)
        return F.cross_entropy(logits, targets) + epsilon * pairs.mean() / classes**2
    raise ValueError(f"unknown method {method!r}")


def plain_pgd(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    epsilon: float,
    start: Tensor,
    steps: int,
    relative_step: float,
) -> Tensor:
    """Return the perturbation after some steps by the gradient's sign."""
    delta = start
    for _ in range(steps):
        variable = (inputs + delta).requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(variable), targets), variable)
        delta = (delta + relative_step * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return delta


def plain_step(
    method: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    epsilon: float,
) -> None:
    """Make one step of SGD, after a clean pass whose loss is only looked at."""
    clean = F.cross_entropy(network(inputs), targets)
    clean.item()
    start = torch.empty_like(inputs).uniform_(-epsilon, epsilon)
    objective = plain_objective(method, network, inputs, targets, epsilon, start)
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()


class PlainImages(torch.utils.data.Dataset):
    """Images (C, H, W) in uint8, transformed one by one with torchvision."""

    def __init__(self, pixels: Pixels, split: str, padding: int = 0, flip: bool = False) -> None:
        transforms = torchvision("transforms")
        steps = [transforms.ToPILImage()]
        if padding:
            steps.append(transforms.RandomCrop(pixels.images[split].shape[-1], padding=padding))
        if flip:
            steps.append(transforms.RandomHorizontalFlip())
        statistics = pixels.normalisation
        steps += [transforms.ToTensor(), transforms.Normalize(statistics.mean, statistics.std)]
        self.transform = transforms.Compose(steps)
        self.images, self.labels = pixels.images[split], pixels.labels[split]
        self.factor = pixels.factor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(self.images[index])
        copied = image.repeat_interleave(self.factor, 1).repeat_interleave(self.factor, 2)
        return copied, int(self.labels[index])


def plain_training(
    method: str,
    network: nn.Module,
    pixels: Pixels,
    augmentation: Augmentation,
    settings: Training,
    epsilon: float,
) -> None:
    """Train by Section 4: now and then halve the learning rate, from the best weights so far."""
    train = PlainImages(pixels, "train", augmentation.crop_padding, augmentation.flip)
    loader = DataLoader(train, settings.batch_size, shuffle=True)
    validation = DataLoader(PlainImages(pixels, "validation"), settings.measurement.batch_size)
    optimiser = torch.optim.SGD(network.parameters(), settings.learning_rate, settings.momentum)
    best, best_weights = -1.0, copy.deepcopy(network.state_dict())
    for epoch in range(settings.epochs):
        if epoch and epoch % settings.halve_every == 0:
            network.load_state_dict(best_weights)
            for group in optimiser.param_groups:
                group["lr"] /= 2
        network.train()
        for inputs, targets in loader:
            plain_step(method, network, optimiser, inputs, targets, epsilon)
        network.eval()
        with torch.no_grad():
            right = sum(int((network(x).argmax(1) == y).sum()) for x, y in validation)
        if right > best:
            best, best_weights = right, copy.deepcopy(network.state_dict())
